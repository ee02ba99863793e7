"""Who else may compute: the executors that tests run, by name."""

from __future__ import annotations

import importlib.util

import pytest

RAY = pytest.param(
    "ray",
    marks=[
        pytest.mark.slow,
        pytest.mark.skipif(
            importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install -e .[scale]"
        ),
    ],
)
SEVERAL = ["processes", RAY]
