"""Open the page.

python app.py [--workspace DIR ...] [--host H] [--port P] [--auth FILE] [--allow-host NAME ...]
              [--device cpu|cuda] [--offload] [--offload-denoiser] [--threads N] [--batch-size N]
              [--executor NAME] [--workers N] [--runs DIR]
python app.py --keep-examples [--workspace DIR ...]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
from pathlib import Path

from attribution.errors import SettingsError
from cli.commands import shipped_workspaces
from cli.environment import set_environment
from cli.parser import Parser, add_batch_size, add_executor_flags, add_offload, positive_count
from cli.status import OUT_OF_MEMORY, exit_status

OF_THIS_MACHINE = ("127.0.0.1", "::1", "localhost")
SHORTEST = 8  # characters of a password
OPEN_TO_ALL = (
    "warning: --host {host} lets everyone who can reach this machine ask questions, upload pictures and "
    "see what they have the link of: give --auth FILE, or leave --host out (docs/SECURITY.md)"
)


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = Parser(prog="python app.py", description="Which training images did this picture come from?")
    parser.add_argument(
        "--workspace",
        type=Path,
        action="append",
        metavar="DIR",
        help="what to query; several are chosen from at the top of the page (default: the embedded one and "
        "those of the customised models that are shipped)",
    )
    host = os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1")  # what Gradio's own pages go by
    port = os.environ.get("GRADIO_SERVER_PORT", "7860")
    parser.add_argument("--host", default=host, metavar="H", help="address to serve on")
    parser.add_argument("--port", type=int, default=port, metavar="P", help="port to serve on")
    words = "a file with USER:PASSWORD, which everyone is asked for"
    parser.add_argument("--auth", type=Path, metavar="FILE", help=words)
    words = "further names by which the page is opened, such as a proxy's"
    parser.add_argument("--allow-host", nargs="+", default=[], metavar="NAME", help=words)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    add_offload(parser)
    parser.add_argument("--threads", type=positive_count, metavar="N", help="CPU threads of the model")
    add_batch_size(parser)
    add_executor_flags(parser, "an exhaustive answer")
    parser.add_argument(
        "--runs",
        type=Path,
        metavar="DIR",
        help="where answered runs are kept (default: whence/runs in the user's data folder)",
    )
    parser.add_argument(
        "--keep-examples",
        action="store_true",
        help="answer the questions of examples.json, keep the answers for the page to open on, and end",
    )
    found = parser.parse_args(argv)
    found.workspace = found.workspace or shipped_workspaces()
    if hosted := os.environ.get("SPACE_HOST"):  # the name of a hosted space
        found.allow_host = [*found.allow_host, hosted]
    if not 0 < found.port < 65536:
        parser.error(f"--port {found.port}: it must lie between 1 and 65535")
    return found


def keep_to_ourselves(temporary: str, threads: int | None) -> None:
    """Before torch or Gradio is imported: nothing is reported to anyone, and files are the owner's."""
    if threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_TEMP_DIR"] = temporary
    os.environ["TMPDIR"] = temporary  # exports, too, are written where no one else can read
    tempfile.tempdir = temporary


def main(argv: list[str] | None = None) -> int:
    """Serve the page until it is closed; returns the exit status."""
    found = arguments(argv)
    temporary = tempfile.mkdtemp(prefix="whence-")  # only its owner can read it
    # A hub is asked only where a workspace's model is not a folder, and the person has not said otherwise.
    set_environment(offline=not any(map(wants_hub, found.workspace)))
    keep_to_ourselves(temporary, found.threads)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the folder goes then, too
    try:
        return exit_status(lambda: begin(found), stopped="closed", out_of_memory=OUT_OF_MEMORY)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def begin(found: argparse.Namespace) -> None:
    """Do what is asked."""
    if found.offload:
        from attribution.models.offload import ask_to_offload

        ask_to_offload(found.device, found.offload)
    (keep_examples if found.keep_examples else run)(found)


def run(found: argparse.Namespace) -> None:
    """Open and serve."""
    if not free(found.host, found.port):
        raise SettingsError(
            f"port {found.port} of {found.host} is taken or not allowed: choose another with --port"
        )

    login = None if found.auth is None else read_login(found.auth)
    if login is None and found.host not in OF_THIS_MACHINE:
        print(OPEN_TO_ALL.format(host=found.host), file=sys.stderr, flush=True)

    from app.runs.archive import RunArchive, default_folder
    from app.runs.examples import answers_of
    from app.runtime.gate import Access
    from app.server import build_server, serve
    from attribution.models.batch import BATCH
    from attribution.workspace.executors.base import Asked, opened_helpers
    from attribution.workspace.workspace import Workspace

    asked = Asked(found.workers, found.address, found.gpus_per_task)
    helpers = opened_helpers(found.executor, asked, found.device)
    access = Access(frozenset(name.lower() for name in found.allow_host), login)
    opened = [Workspace.open(each, found.device, found.batch_size or BATCH) for each in found.workspace]
    runs = found.runs or default_folder()
    (first, archive), *others = [
        (each, RunArchive(runs, each, examples=answers_of(each.folder))) for each in opened
    ]
    server = build_server(first, archive, access, others)
    shown = "localhost" if found.host in ("127.0.0.1", "0.0.0.0", "::", "::1") else found.host
    with helpers as executor:
        for each in opened:
            each.executor = executor
        print(f"Whence is open at http://{shown}:{found.port} (Ctrl-C closes it)", flush=True)
        serve(server, found.host, found.port)


def keep_examples(found: argparse.Namespace) -> None:
    """Answer the example questions, and say of each what its answer has found."""
    from app.keep_examples import kept_examples
    from attribution.methods.finding import finding_of
    from attribution.models.batch import BATCH
    from attribution.workspace.workspace import Workspace

    for folder in found.workspace:
        workspace = Workspace.open(folder, found.device, found.batch_size or BATCH)
        for kept in kept_examples(workspace):
            finding = finding_of(kept.parts[0].rankings)
            print(f"{kept.caption}: {finding.sentence if finding else 'kept'}", flush=True)


def read_login(path: Path) -> str:
    """The user and password of a file, from its first line.

    Raises:
        SettingsError: it cannot be read, or holds none.
    """
    try:
        first, *_ = [*path.read_text(encoding="utf-8").splitlines(), ""]
    except (OSError, ValueError) as problem:
        raise SettingsError(
            f"--auth {path} cannot be read: write USER:PASSWORD into that file"
        ) from problem
    user, _, password = first.partition(":")
    if not user or len(password) < SHORTEST:
        raise SettingsError(
            f"--auth {path} must begin with USER:PASSWORD, the password of {SHORTEST} characters or more"
        )
    return first


def wants_hub(workspace: Path) -> bool:
    """Whether the workspace names a model or an encoder that is no folder here.

    Read apart from `Workspace.open`, which imports the libraries that look at HF_HUB_OFFLINE.
    """
    try:
        config = json.loads((workspace / "workspace.json").read_text(encoding="utf-8"))
        sources = [config["model"], *config["encoders"].values()]
        return any(not (workspace / str(source)).exists() for source in sources)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False  # opening it will say what is wrong


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


if __name__ == "__main__":
    sys.exit(main())
