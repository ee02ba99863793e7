"""Laws of what this project is built from."""

from __future__ import annotations

import re
from collections import Counter
from importlib.metadata import distribution, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.supply.audit import verdict
from tests.supply.licences import BUILDS, NOTICE, notice
from tests.supply.locks import DEVELOPMENT, HASH, NOT_LOCKED, PINS, RUN_TIME, locked, pinned

LOCKS = (RUN_TIME, DEVELOPMENT)
HERE = {each.name: each for lock in LOCKS for each in locked(lock.read_text("utf-8")) if each.is_for_here}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_locked_file_is_known_by_its_hash(lock: Path) -> None:
    """Law: Every dependency is locked to one version, and to the sha256 of its files."""
    text = lock.read_text("utf-8")
    assert all(each.hashes for each in locked(text))
    lines = [line for line in text.splitlines() if line.startswith(" ")]
    assert [line for line in lines if not re.fullmatch(rf"    {HASH.pattern}( \\)?", line)] == []
    assert "://" not in text


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_the_lock_files_are_of_the_pins(lock: Path) -> None:
    """Law: The lock files hold every version that is pinned; `make lock` writes them."""
    for name in PINS[lock]:
        pins = {key: found for key, found in pinned(name).items() if key != NOT_LOCKED}
        assert pins == {key: HERE[key].version for key in pins}, "write them anew: make lock"


def test_nothing_is_in_both_lock_files() -> None:
    names = Counter(name for lock in LOCKS for name in {each.name for each in locked(lock.read_text())})
    assert [name for name, times in names.items() if times > 1] == []
    assert NOT_LOCKED not in names


def test_what_a_locked_library_needs_is_locked_too() -> None:
    """Law: What a locked library needs is locked too: nothing else is installed with it."""
    lacking = {
        (name, needed.name)
        for name in HERE
        for text in distribution(name).requires or ()
        if (needed := Requirement(text)).marker is None or needed.marker.evaluate({"extra": ""})
        if canonicalize_name(needed.name) not in {*HERE, NOT_LOCKED}
    }
    assert lacking == set()


def test_tests_run_on_what_is_locked() -> None:
    found = {name: version(name) for name in HERE if name != "pip"}  # which a fresh environment brings
    assert found == {name: each.version for name, each in HERE.items() if name != "pip"}, "run make"


def test_the_licences_in_the_notice_are_those_of_the_dependencies() -> None:
    """Law: NOTICE has the licence of every dependency."""
    written = NOTICE.read_text("utf-8")
    assert notice(written) == written, "write it anew: make licences"
    with pytest.raises(LookupError, match="audioop-lts"):
        notice(written.replace("  audioop-lts: PSF-2.0\n", ""))
    assert notice(written.removesuffix(BUILDS) + "  gone: MIT\n") == written


SOUND = {"name": "a", "version": "1", "vulns": []}
FAULTY = {"name": "b", "version": "2", "vulns": [{"id": "X-1", "fix_versions": ["3"]}]}
UNKNOWN = {"name": "c", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("dependencies", "status", "words"),
    [
        ([SOUND, UNKNOWN], 0, "nothing is known against 1 locked dependencies; 1 could not be looked up"),
        ([SOUND, FAULTY], 1, "audit: b 2: X-1, mended in 3"),
        ([UNKNOWN], 0, "audit: not done: no advisories can be reached from here"),
    ],
)
def test_an_audit_is_one_line(dependencies: list[dict[str, object]], status: int, words: str) -> None:
    found, said = verdict({"dependencies": dependencies})
    assert found == status
    assert words in said
    assert "\n" not in said
