"""The licence of every dependency, as its own metadata says it: the list at the end of NOTICE."""

from __future__ import annotations

import re
from contextlib import suppress
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata
from itertools import chain

from tests.supply.locks import DEVELOPMENT, NOT_LOCKED, RUN_TIME, locked
from tests.worlds import ROOT

NOTICE = ROOT / "NOTICE"
BEGIN = "Dependencies, none of which is part of this repository, and their licences as they say them\n"
HEADS = {
    RUN_TIME: "What the page and the commands need:",
    DEVELOPMENT: "What development needs beside it:",
}
BUILDS = "torch's builds for CUDA bring libraries of NVIDIA's, under NVIDIA's own licences.\n"
LINE = re.compile(r"^  (\S+): (.+)$", re.M)
# What the metadata says in no such word, or only in a long text.
SAID_ELSEWHERE = {"axe-playwright-python": "MIT"}


def licence(said: PackageMetadata) -> str | None:
    """What the metadata of a package says of its licence, rather precise than vague; None for nothing."""
    if expression := said.get("License-Expression"):
        return str(expression)
    classifiers = said.get_all("Classifier") or ()
    known = [each.split(" :: ")[-1] for each in classifiers if each.startswith("License :: OSI ")]
    if known:
        return " AND ".join(known)
    lines = (said.get("License") or "").splitlines()
    return lines[0].strip() if len(lines) == 1 else None


def notice(before: str) -> str:
    """NOTICE with the list of today.

    What is not installed here in the version that is locked keeps the line that it has.

    Raises:
        LookupError: such a dependency is not listed yet, or one says no licence.
    """
    head, _, after = before.partition(BEGIN)
    written = dict(LINE.findall(after))
    parts = [head.rstrip() + "\n", BEGIN]
    for lock, words in HEADS.items():
        listed = sorted(locked(lock.read_text("utf-8")), key=lambda each: each.is_for_here)
        versions: dict[str, str | None] = {each.name: each.version for each in listed}
        if lock is RUN_TIME:
            versions[NOT_LOCKED] = None
        lines = (f"  {name}: {_licence(name, versions[name], written)}" for name in sorted(versions))
        parts.append("\n".join(chain([words], lines)) + "\n")
    return "\n".join([*parts, BUILDS])


def _licence(name: str, version: str | None, written: dict[str, str]) -> str:
    """Of the version that is locked; of any if that is None."""
    found = SAID_ELSEWHERE.get(name)
    with suppress(PackageNotFoundError):
        said = metadata(name)
        if version is None or said["Version"] == version:
            found = found or licence(said)
    found = found or written.get(name)
    if found is None:
        raise LookupError(f"which licence {name} has is not known here: write `  {name}: ...` into NOTICE")
    return found
