"""What answers a run: this version, on this machine. No name, no address: reports are handed on."""

from __future__ import annotations

import importlib.metadata
import os
import platform

from cli.version import version


def made_with() -> dict[str, str]:
    """By what it is, in words."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {
        "Whence": version(),
        "Machine": f"{platform.system()} {platform.machine()}, {cores} cores",
        "Python": platform.python_version(),
        "torch": importlib.metadata.version("torch"),
    }
