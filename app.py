"""Open the page: python app.py [--workspace DIR] [--host H] [--port P] [--device cpu|cuda] [--threads N]"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
DEFAULT_WORKSPACE = HERE / "assets" / "demo" / "workspace"


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python app.py", description="Which training images did this picture come from?"
    )
    parser.add_argument(
        "--workspace", type=Path, default=DEFAULT_WORKSPACE, metavar="DIR", help="what to query"
    )
    parser.add_argument("--host", default="127.0.0.1", metavar="H", help="address to serve on")
    parser.add_argument("--port", type=int, default=7860, metavar="P", help="port to serve on")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads of the model")
    found = parser.parse_args(argv)
    if not 0 < found.port < 65536:
        parser.error(f"--port {found.port}: it must lie between 1 and 65535")
    if found.threads is not None and found.threads < 1:
        parser.error(f"--threads {found.threads}: it must be at least 1")
    return found


def set_environment(temporary: str) -> None:
    """Before torch or Gradio is imported.

    OpenMP's spinning would fight the browser for the cores; nothing is reported to anyone; a hub is
    asked only where a workspace's model is not a folder, and the person has not said otherwise.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_TEMP_DIR"] = temporary
    os.environ["TMPDIR"] = temporary  # exports, too, are written where no one else can read
    tempfile.tempdir = temporary


def main(argv: list[str] | None = None) -> int:
    found = arguments(argv)
    temporary = tempfile.mkdtemp(prefix="whence-")  # only its owner can read it
    set_environment(temporary)
    try:
        return run(found)
    except KeyboardInterrupt:
        return 130
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def run(found: argparse.Namespace) -> int:
    from attribution.errors import WhenceError

    if not free(found.host, found.port):
        return refuse(
            f"port {found.port} of {found.host} is in use or not ours: choose another with --port"
        )
    try:
        from attribution.workspace import Workspace

        workspace = Workspace.open(found.workspace, device=found.device, threads=found.threads)
        if all_local(workspace):
            os.environ.setdefault("HF_HUB_OFFLINE", "1")
        from app.server import build_server, serve

        server = build_server(workspace)
    except WhenceError as problem:
        return refuse(str(problem))
    shown = "localhost" if found.host in ("127.0.0.1", "0.0.0.0", "::") else found.host
    print(f"Whence is open at http://{shown}:{found.port} (Ctrl-C closes it)", flush=True)
    serve(server, found.host, found.port)
    return 0


def all_local(workspace: object) -> bool:
    """Whether model and encoders are all folders, so that no hub is wanted."""
    from attribution.workspace import Workspace

    assert isinstance(workspace, Workspace)
    sources = [workspace.config.model, *workspace.config.encoders.values()]
    return all(Path(workspace.source(source)).exists() for source in sources)


def free(host: str, port: int) -> bool:
    """Whether the page can be served there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def refuse(words: str) -> int:
    print(f"whence: {words}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
