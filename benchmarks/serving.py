"""`python app.py` as a process of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Served:
    """A page that answers.

    Attributes:
        seconds: from starting the process to its first answered request.
    """

    address: str
    process: int
    seconds: float


@contextmanager
def served(workspace: Path, device: str = "cpu") -> Iterator[Served]:
    """The page on a workspace, on a free port, keeping no runs; stopped at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, str(ROOT / "app.py"), "--workspace", str(workspace.resolve())]
    with tempfile.TemporaryDirectory() as runs:
        began = time.perf_counter()
        server = subprocess.Popen(
            [*command, "--port", str(port), "--device", device, "--runs", runs],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        address = f"http://127.0.0.1:{port}/"
        try:
            _until_answered(address, server)
            yield Served(address, server.pid, time.perf_counter() - began)
        finally:
            server.terminate()
            server.wait(30)


def _until_answered(address: str, server: subprocess.Popen[bytes]) -> None:
    while True:
        if server.poll() is not None:
            assert server.stderr is not None
            raise RuntimeError(f"the page did not start: {server.stderr.read().decode()[-500:]}")
        try:
            urllib.request.urlopen(address, timeout=1).read()
            return
        except OSError:
            time.sleep(0.05)
