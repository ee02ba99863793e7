"""The methods to choose from, family by family."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from app.frontend.templates import render
from app.runs.question import measures
from attribution.methods.base import Method, by_family


def method_chooser(found: Sequence[Method], chosen: Collection[str]) -> str:
    """A box to tick for each method, in a titled group for each family; `chosen` are ticked.

    Those that measure are marked: the styles grey them where the effort measures nothing.
    """
    measuring = {each.name for each in found if measures(each)}
    return render("methods.html", families=by_family(found), chosen=chosen, measuring=measuring)
