"""The command `whence`: each part of it is the same as its `python -m`.

whence app         [--workspace DIR] ...   the page           (python -m app)
whence attribute   PICTURE.png ...         one question       (python -m attribution)
whence precompute  all --model MODEL ...   a workspace        (python -m precompute)
whence evaluate    locality ...            an evaluation      (python -m evaluation)
whence demo        build ...               the embedded world (python -m demo)
"""

from __future__ import annotations

import argparse
import importlib
import sys

from cli.commands import COMMANDS
from cli.environment import ended_at_once_by_interrupt
from cli.parser import Parser
from cli.version import version


def parser() -> argparse.ArgumentParser:
    """The command line as far as the part that is chosen; the rest is read by that part."""
    width = max(map(len, COMMANDS))
    lines = [f"  {word:<{width}}  {command.description}" for word, command in COMMANDS.items()]
    top = Parser(
        prog="whence",
        description="Which training images did this generated picture come from?",
        epilog="\n".join(["commands:", *lines, "", "`whence COMMAND --help` says what each one takes."]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"whence {version()}")
    top.add_argument("command", choices=COMMANDS, metavar="COMMAND", help="one of those below")
    top.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...", help="its own arguments")
    return top


def main(arguments: list[str] | None = None) -> int:
    """Import the chosen part and nothing of the others, and run it; returns its exit status."""
    given = parser().parse_args(arguments)
    with ended_at_once_by_interrupt():
        part = importlib.import_module(f"{COMMANDS[given.command].package}.__main__")
    status: int = part.main(given.arguments)
    return status


if __name__ == "__main__":
    sys.exit(main())
