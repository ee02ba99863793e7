"""Scores in words: as many digits as their standard errors leave meaningful."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from attribution.results import SHARES, Entry, Ranking

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
DIGITS_WITHOUT_ERROR = 3
PER_CENT = -2  # the power of ten


@dataclass(frozen=True)
class Figures:
    """How one ranking's scores are written: in units of 10^exponent, with so many decimals.

    Attributes:
        sign: behind each number, which says its unit.
    """

    exponent: int
    decimals: int
    sign: str = ""

    @property
    def unit(self) -> str:
        """ "× 10⁻³", or "" for plain numbers and those with a sign."""
        if self.sign or not self.exponent:
            return ""
        return f"× 10{str(self.exponent).translate(SUPERSCRIPTS)}"

    def score(self, entry: Entry) -> str:
        return self._written(entry.score)

    def error(self, entry: Entry) -> str:
        """The standard error, "" for a score without one."""
        return "" if entry.stderr is None else self._written(entry.stderr)

    def both(self, entry: Entry) -> str:
        """ "3.37 ± 0.17 × 10⁻³"."""
        error = self.error(entry)
        return f"{self.score(entry)}{f' ± {error}' if error else ''} {self.unit}".rstrip()

    def _written(self, value: float) -> str:
        number = f"{value / 10.0**self.exponent:.{self.decimals}f}"
        if number.startswith("-") and not number.strip("-0."):
            number = number[1:]  # no minus before a rounded zero
        return number.replace("-", "\N{MINUS SIGN}") + self.sign


@dataclass(frozen=True)
class Lines:
    """The lines of a ranking that are shown, each with its rank in the whole.

    Attributes:
        sure: the first whose score is surely not nothing.
        unsure: those of the first ranks whose score may be nothing: no rank of theirs means anything.
        more: how many sure ones come after those.
    """

    sure: tuple[Entry, ...]
    unsure: tuple[Entry, ...]
    more: int = 0


@dataclass(frozen=True)
class Look:
    """How far a ranking is looked at.

    Attributes:
        most: lines of either kind.
        rows: of the training set, the only ones that are shown; None for all.
    """

    most: int
    rows: Int64[ndarray, " n"] | None = None


def lines_of(ranking: Ranking, look: Look | int) -> Lines:
    """At most so many of either kind: all of the first ranks are among them."""
    sure, unsure, more = _positions(ranking, look if isinstance(look, Look) else Look(look))
    return Lines(tuple(map(ranking.entry, sure)), tuple(map(ranking.entry, unsure)), more)


def positions_of(ranking: Ranking, look: Look | int) -> tuple[list[int], list[int]]:
    """Where in the ranking the lines of `lines_of` are: the sure ones, and the others."""
    return _positions(ranking, look if isinstance(look, Look) else Look(look))[:2]


def _positions(ranking: Ranking, look: Look) -> tuple[list[int], list[int], int]:
    """Those of the sure lines and of the others, and how many sure ones come after.

    In the place of the unsure come those behind that are surely more than nothing; none that is less.
    """
    shown = np.ones(len(ranking), bool) if look.rows is None else np.isin(ranking.rows, look.rows)
    first = shown & (np.cumsum(shown) <= look.most)
    sure = np.flatnonzero(ranking.sure & shown & (first | (ranking.scores > 0)))
    unsure = np.flatnonzero(first & ~ranking.sure)
    return sure[: look.most].tolist(), unsure.tolist(), max(len(sure) - look.most, 0)


def better_positions(ranking: Ranking, most: int) -> list[int]:
    """Where in the ranking the images are that are remembered better after unlearning, most so first."""
    found: list[int] = np.flatnonzero(ranking.remembered_better)[::-1][:most].tolist()
    return found


def standing_out_words(ranking: Ranking) -> str:
    """ "✦ 12 stand out"; "" where nothing is known of it."""
    return "" if ranking.standing_out is None else f"✦ {int(ranking.standing_out.sum()):,} stand out"


def figures_of(entries: Sequence[Entry], ranking: Ranking) -> Figures:
    """One way of writing for some of a ranking: two digits of the typical error; shares in per cent."""
    largest = max((abs(entry.score) for entry in entries), default=0.0)
    if SHARES in ranking.details:
        digits = math.ceil(-math.log10(largest * 100)) if largest else 0  # before the first of the largest
        return Figures(PER_CENT, min(max(digits + 1, 1), 6), "%")
    plain = largest == 0 or 0.1 <= largest < 10_000
    exponent = 0 if plain else 3 * math.floor(math.log10(largest) / 3)
    errors = [entry.stderr for entry in entries if entry.stderr is not None and entry.stderr > 0]
    if not errors:
        return Figures(exponent, DIGITS_WITHOUT_ERROR)
    typical = statistics.median(errors) / 10.0**exponent
    return Figures(exponent, min(max(1 - math.floor(math.log10(typical)), 0), 6))
