"""Laws of how much memory and disk is counted."""

from __future__ import annotations

from attribution.workspace.workspace import Workspace
from benchmarks import room
from benchmarks.memory import megabytes


def test_resident_memory_is_read_from_the_kernels_words() -> None:
    status = "Name:\tpython\nVmPeak:\t 9 kB\nVmHWM:\t 2097152 kB\nVmRSS:\t 1048576 kB\nThreads:\t4\n"
    assert megabytes(status) == (1024.0, 2048.0)


def test_the_bytes_of_all_artifacts_are_those_on_disk(tiny_world: Workspace) -> None:
    found = room.sizes(tiny_world.folder)
    files = [path for path in tiny_world.folder.rglob("*") if path.is_file()]
    written_once = ("workspace.json", "manifest.json")
    config = sum((tiny_world.folder / name).stat().st_size for name in written_once)
    whole = sum(room.once + room.growing for room in found.values())
    assert whole == sum(path.stat().st_size for path in files) - config
    assert found["fisher"].growing == 0
    assert found["losses"].growing == (tiny_world.folder / "losses" / "losses.npy").stat().st_size
    assert {"losses", "gradients", "controls", "embeddings-clip"} <= found.keys()
