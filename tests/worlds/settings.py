"""Settings that answer in seconds."""

from __future__ import annotations

from typing import Any

from attribution.methods.base import methods, with_options
from attribution.query import Settings


def quick(unlearning: dict[str, Any], **settings: Any) -> Settings:
    """Return settings in which every method that unlearns or differentiates has these options."""
    options = {}
    for name, each in methods().items():
        known = {key: value for key, value in unlearning.items() if hasattr(each.options, key)}
        if known:
            options[name] = with_options(each, known)
    return Settings(options=options, **settings)
