"""What one answer does not show: not of attribution in general, of this very answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from app.runs.run import Part, Run
from app.views.change_words import capital, listed
from app.views.scores import lines_of
from attribution.analysis.agreement import ranks_all
from attribution.analysis.evidence import Evidence
from attribution.methods.base import method
from attribution.results import Ranking


def limits(run: Run, found: Evidence | None, shown: int) -> list[str]:
    """Sentences, each said once, the worst of each part first.

    Args:
        found: by retraining, of the model of the answer.
        shown: ranks of each method that a report has.
    """
    said = [words for part in run.parts for words in _of_part(part, len(run.parts) > 1, shown)]
    named = [name for name in run.methods if found is None or found.of(name).removal is None]
    if named:
        said.append(f"By retraining, nothing is known of {_titles(named)} on this model.")
    if not run.proofs:
        said.append("It was not put to the test: nothing that it names has been unlearned.")
    return list(dict.fromkeys(said))


def _of_part(part: Part, several: bool, shown: int) -> Iterator[str]:
    where = f"{part.title}: " if several else ""
    for words in () if part.attribution is None else part.attribution.warnings:
        yield _capital(words)
    yield _capital(f"{where}{_standing_out(part.rankings)}")
    for ranking in part.rankings.values():
        if unsure := len(lines_of(ranking, shown).unsure):
            yield _capital(
                f"{where}{unsure} of the first {min(shown, len(ranking))} scores of {ranking.title} may be "
                "nothing: they are in no order"
            )
        if not ranks_all(ranking):
            yield _capital(
                f"{where}{ranking.title} ranked {len(ranking):,} of {len(ranking.training_set):,} training "
                "images: the others were not measured, which clears none of them"
            )


def _standing_out(rankings: Mapping[str, Ranking]) -> str:
    judged = {r.title: int(r.standing_out.sum()) for r in rankings.values() if r.standing_out is not None}
    if not judged:
        return "whether anything stands out of chance was not asked: first order says so"
    (title, count), *_ = judged.items()
    if count == 0:
        return (
            f"by {title}, nothing stands out of what unrelated pictures give: what is first may be chance"
        )
    return (
        f"by {title}, {count:,} images stand out of what unrelated pictures give; the others may be chance"
    )


def _titles(names: list[str]) -> str:
    return listed([method(name).title for name in names])


def _capital(words: str) -> str:
    return capital(words if words.endswith(".") else f"{words}.")
