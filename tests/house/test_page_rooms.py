"""The rooms of the page, read from the sources: what each may import, and who may know Gradio."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.house.test_import_rules import imports
from tests.worlds import ROOT

APP = ROOT / "app"

# Room => the rooms that it may import beside itself. The hall ("") stands above all.
ROOMS: dict[str, set[str]] = {
    "frontend": set(),
    "runs": set(),
    "charts": {"frontend", "runs"},
    "views": {"frontend", "runs", "charts"},
    "runtime": {"frontend", "runs"},
    "panels": {"frontend", "runs", "charts", "views"},
    "events": {"frontend", "runs", "charts", "views", "runtime", "panels"},
    "": {"frontend", "runs", "charts", "views", "runtime", "panels", "events"},
}
KNOW_GRADIO = {
    "panels", "events", "app/page.py", "app/api.py", "app/server.py", "app/gradio_edges.py",
}  # fmt: skip


def room_of(path: Path) -> str:
    parts = path.relative_to(APP).parts
    return parts[0] if len(parts) > 1 else ""


def sources() -> list[Path]:
    return sorted(APP.rglob("*.py"))


def arrows() -> set[tuple[str, str]]:
    """(room, room that it imports), between different rooms."""
    found = set()
    for path in sources():
        for _, module in imports(path):
            parts = module.split(".")
            if parts[0] == "app":
                target = parts[1] if len(parts) > 1 and (APP / parts[1]).is_dir() else ""
                found.add((room_of(path), target))
    return {(one, other) for one, other in found if one != other}


def test_every_room_has_its_place() -> None:
    """A new room is given its place here, and what is said here is there."""
    assert {room_of(path) for path in sources()} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_each_room_imports_only_what_its_place_allows(room: str) -> None:
    """Law: A room of the page imports no room above it."""
    assert {other for one, other in arrows() if one == room} <= ROOMS[room]


def test_no_rooms_import_each_other_in_a_circle() -> None:
    """Some room can always be taken away that no other imports any more."""
    left, between = set(ROOMS), arrows()
    while left:
        free = {room for room in left if not any((room, other) in between for other in left)}
        assert free, f"a circle among {sorted(left)}"
        left -= free


def test_only_panels_events_and_the_hall_know_gradio() -> None:
    """Law: Only panels, events and the hall of the page know Gradio."""
    knowing = {
        str(path.relative_to(ROOT))
        for path in sources()
        for _, module in imports(path)
        if module.split(".")[0] == "gradio"
    }
    assert {name for name in knowing if not {name, room_of(ROOT / name)} & KNOW_GRADIO} == set()
