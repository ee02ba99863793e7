"""The lock files, as they are read here: names, versions, for which systems, and hashes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.worlds import ROOT

RUN_TIME, DEVELOPMENT = ROOT / "requirements.lock", ROOT / "requirements-dev.lock"
PINS = {
    RUN_TIME: ("requirements.txt",),
    DEVELOPMENT: ("requirements.txt", "requirements-data.txt", "requirements-dev.txt"),
}
NOT_LOCKED = "torch"  # which build it is, is the machine's choice
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Locked:
    """One dependency: its canonical name, its version, for which systems (None for all), and its files."""

    name: str
    version: str
    marker: Marker | None
    hashes: tuple[str, ...]

    @property
    def is_for_here(self) -> bool:
        return self.marker is None or self.marker.evaluate()


def locked(text: str) -> list[Locked]:
    """What a lock file lists; raises ValueError for a line that is none of its own."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    found = []
    for entry in "\n".join(lines).replace("\\\n", " ").splitlines():
        needed, *hashes = entry.split(" --hash=")
        parsed = Requirement(needed)
        (version,) = (each.version for each in parsed.specifier if each.operator == "==")
        found.append(Locked(canonicalize_name(parsed.name), version, parsed.marker, tuple(hashes)))
    return found


def pinned(name: str) -> dict[str, str]:
    """The versions of one of requirements*.txt, by canonical name."""
    lines = (ROOT / name).read_text("utf-8").splitlines()
    pins = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pins}
