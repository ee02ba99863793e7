"""The one discovery: whatever is added to this project as a file is found by being there.

A method, a model family, an encoder, a job, a protocol and a study are each a module of their room that
binds a tuple (`METHODS`, `MODELS`, `ENCODERS`, `JOBS`, `PROTOCOLS`, `STUDIES`). Importing registers; it
never loads weights, opens files or reaches the network.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any, TypeVar

from attribution.errors import UnknownNameError

T = TypeVar("T")


def plugins(room: str, binding: str) -> tuple[Any, ...]:
    """Return everything that the modules of a package bind to a name, by module and place in its tuple.

    Args:
        room: the package's dotted name, such as "attribution.methods".
        binding: the name bound, such as "METHODS"; a module without it is no plug-in and passed over.
    """
    package = importlib.import_module(room)
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    modules = [importlib.import_module(f"{room}.{name}") for name in names if name != "__main__"]
    return tuple(plugin for module in modules for plugin in getattr(module, binding, ()))


def named(what: str, known: Mapping[str, T], name: str) -> T:
    """Return the plug-in of a name.

    Raises:
        UnknownNameError: there is none; those that there are are named.
    """
    if name not in known:
        raise UnknownNameError(f"there is no {what} {name!r}: choose from {', '.join(known)}")
    return known[name]
