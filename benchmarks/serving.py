"""`python app.py` as a process of its own, for whatever looks at the page from outside."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Served:
    """A page that answers.

    Attributes:
        address: without a slash at its end.
        process: the server's id.
        seconds: from starting the process to its first answered request.
    """

    address: str
    process: int
    seconds: float


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(
    workspace: Path,
    device: str = "cpu",
    *,
    folder: Path | None = None,
    port: int | None = None,
    patience: float = 600,
    others: Sequence[Path] = (),
) -> Iterator[Served]:
    """The page on a workspace; stopped at the end.

    Args:
        workspace: what is asked about.
        device: of the model.
        folder: where its runs (`runs/`) and what it says (`log`) are kept; by default nowhere.
        port: by default a free one.
        patience: seconds within which it must answer.
        others: further workspaces, each with a page of its own.

    Raises:
        RuntimeError: it ended, or did not answer in time; with the end of what it said.
    """
    port = port or free_port()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, str(ROOT / "app.py")]
    command += [word for each in (workspace, *others) for word in ("--workspace", str(each.resolve()))]
    command += ["--port", str(port), "--device", device]
    with tempfile.TemporaryDirectory() as passing:
        folder = folder or Path(passing)
        began, log = time.perf_counter(), folder / "log"
        with log.open("w") as out:
            command += ["--runs", str(folder / "runs")]
            server = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)
        try:
            _until_answered(address, server, log, patience)
            yield Served(address, server.pid, time.perf_counter() - began)
        finally:
            server.terminate()
            server.wait(120)  # it ends what it is in the middle of


def _until_answered(address: str, server: subprocess.Popen[bytes], log: Path, patience: float) -> None:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=5).read()
            return
        except OSError:
            time.sleep(0.05)
    said = log.read_text(encoding="utf-8", errors="replace")[-2000:]
    raise RuntimeError(f"the page did not start:\n{said}")
