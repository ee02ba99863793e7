"""The one discovery: whatever is added to this project as a file is found by being there.

A method, a model family, an encoder, a job, a protocol and a study are each a module of their room that
binds a tuple (`METHODS`, `MODELS`, `ENCODERS`, `JOBS`, `PROTOCOLS`, `STUDIES`). Importing registers; it
never loads weights, opens files or reaches the network.
"""

from __future__ import annotations

import importlib
import pkgutil
import threading
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from attribution.errors import UnknownNameError

T = TypeVar("T")
Given = ParamSpec("Given")

# While they build a module, the libraries that open models and encoders patch torch for the whole process,
# so that no memory is filled twice: what another thread opens meanwhile has weights without numbers.
_ONE = threading.RLock()


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


def one_at_a_time(opening: Callable[Given, T]) -> Callable[Given, T]:
    """Return a function that waits until no other thread opens what a plug-in reads."""

    @wraps(opening)
    def waited(*given: Given.args, **named: Given.kwargs) -> T:
        with _ONE:
            return opening(*given, **named)

    return waited
