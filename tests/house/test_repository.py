"""What may be in the repository at all."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from tests.house.sources import tracked
from tests.worlds import ROOT

MEGABYTE = 1_000_000


def tracked_text() -> list[tuple[Path, str]]:
    binary = {".png", ".npy", ".faiss", ".safetensors", ".webp", ".jpg"}
    return [(path, text_of(path)) for path in tracked() if path.suffix.lower() not in binary]


def text_of(path: Path) -> str:
    """A file's text; of what is compressed, the text inside."""
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode()


def matches(pattern: re.Pattern[str], *, but: set[str] = frozenset()) -> list[str]:  # type: ignore[assignment]
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}"
        for path, text in tracked_text()
        if path.name not in but
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_tracked_file_is_over_fifteen_megabytes() -> None:
    assert [p for p in tracked() if p.stat().st_size > 15 * MEGABYTE] == []


def test_the_embedded_world_is_at_most_60_megabytes() -> None:
    world = ROOT / "assets" / "demo"
    assert sum(p.stat().st_size for p in tracked() if p.is_relative_to(world)) <= 60 * MEGABYTE


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    home = re.compile(r"(?<![\w.~$}])/(home|root|Users|work)/[\w.-]+")
    assert matches(home) == []


def test_no_file_names_a_package_registry() -> None:
    registry = re.compile(
        r"pypi\.org|pythonhosted\.org|download\.pytorch\.org|index-url|conda\.anaconda", re.I
    )
    assert matches(registry, but={"test_repository.py"}) == []


def test_every_requirement_is_pinned_and_torch_comes_first() -> None:
    for name in sorted(path.name for path in ROOT.glob("requirements*.txt")):
        lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
        needed = [line for line in lines if line and not line.startswith(("#", "-r "))]
        assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in needed), name
        if name == "requirements.txt":
            assert needed[0].startswith("torch==")


def test_nothing_is_pickled() -> None:
    # safetensors and .npy only: unpickling a file runs whatever it says. A training checkpoint (the
    # optimizer's state) is read by the restricted unpickler. Workers are sent their tasks through pipes
    # that only the process which started them holds.
    """Law: No code of ours pickles, or unpickles what could run, but for its own worker processes."""
    dangerous = re.compile(
        r"\bimport pickle|\btorch\.load\((?!.*weights_only=True)|\bload\(.*allow_pickle=True"
    )
    found = matches(dangerous, but={"test_repository.py"})
    assert [line for line in found if not line.startswith("attribution/workspace/executors/")] == []


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "docs/EVALUATION.md",
        "docs/EVIDENCE.md",
        "docs/evaluation/retraining/README.md",
        "docs/LAWS.md",
        "docs/MODELS.md",
        "docs/SCALE.md",
    ],
)
def test_links_in_the_documents_lead_somewhere(name: str) -> None:
    document = ROOT / name
    if not document.exists():
        pytest.fail(f"{name} is missing")
    text = document.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)", text) + re.findall(r'(?:src|srcset|href)="([^"#]+)"', text)
    local = [target for target in targets if not target.startswith(("http://", "https://", "mailto:"))]
    assert [target for target in local if not (document.parent / target).exists()] == []


def test_every_test_that_the_architecture_names_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")))
    defined = {
        name
        for path in (ROOT / "tests").rglob("*.py")
        for name in re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8"))
    }
    assert named - defined == set()
