"""Known vulnerabilities of what is locked, as pip-audit finds them; one line where it can ask nobody."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from typing import Any

from tests.supply.locks import DEVELOPMENT, RUN_TIME
from tests.worlds import ROOT

AN_HOUR = 3600.0  # seconds, for which it is not asked again of the same lock files
COMMAND = (
    *(sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off"),
    *("--no-deps", "--disable-pip", "--timeout", "10"),
    *("--requirement", str(RUN_TIME), "--requirement", str(DEVELOPMENT)),
)


def audit() -> int:
    """Say in one line what came of it, or one for each vulnerability; 1 if there are any."""
    locks = hashlib.sha256(RUN_TIME.read_bytes() + DEVELOPMENT.read_bytes()).hexdigest()[:16]
    kept = ROOT / "build" / "audited" / locks
    if kept.exists() and time.time() - kept.stat().st_mtime < AN_HOUR:
        print(kept.read_text("utf-8"))
        return 0
    done = subprocess.run(COMMAND, capture_output=True, text=True, check=False, timeout=600)
    try:
        status, words = verdict(json.loads(done.stdout))
    except ValueError:
        status, words = 0, f"audit: not done: {last_line(done.stderr)}"
    print(words)
    if status == 0:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(words, encoding="utf-8")
    return status


def verdict(report: dict[str, Any]) -> tuple[int, str]:
    """Exit status and words of a report of pip-audit's.

    Nothing that it could look up at all means that advisories cannot be reached from here.
    """
    asked = [each for each in report["dependencies"] if "skip_reason" not in each]
    skipped = len(report["dependencies"]) - len(asked)
    if not asked:
        return 0, "audit: not done: no advisories can be reached from here"
    known = [
        f"audit: {each['name']} {each['version']}: {fault['id']}, mended in "
        f"{', '.join(fault['fix_versions']) or 'no version yet'}"
        for each in asked
        for fault in each["vulns"]
    ]
    if known:
        return 1, "\n".join(known)
    unknown = f"; {skipped} could not be looked up" if skipped else ""
    return 0, f"audit: nothing is known against {len(asked)} locked dependencies{unknown}"


def last_line(said: str) -> str:
    """The last that was said, which names what went wrong."""
    return (said.strip().splitlines() or ["it said nothing"])[-1][:200]
