"""What the evidence says of unions: the loss, the pictures made again, and who is ahead of whom."""

from __future__ import annotations

from collections.abc import Sequence

from attribution.methods.base import DEFAULT, methods
from evaluation import markdown
from evaluation.markdown import interval, table
from evaluation.retraining.plans import CHANCE, YARDSTICKS
from evaluation.retraining.report.charts import Mark, interval_chart
from evaluation.retraining.report.contrasts import reads_model
from evaluation.retraining.report.effects import GONE, UnionLine, removed
from evaluation.retraining.report.evidence import Evidence
from evaluation.retraining.report.leads import Lead, leads
from evaluation.retraining.report.written import FOLDER, Written, called, listed, percent, seeds, signed

LOSSES = """
*In spreads of chance*: over the standard deviation between random unions of one seed. Each row is held \
against chance, and against the oracle, of the seeds that it was trained from: rows of one seed and of \
three are not compared by either.

"""
PICTURES = """
The pictures made again from the same noise and prompts, beyond those of random removals, which all rows \
share. *Objects gone*: the share of objects that the judge finds on neither side. Objects that have \
changed sides are not gone, but make another picture of it, which likeness counts. Each interval is for \
one figure alone: of forty, one lies above zero by luck and one below.

"""
LIKENESS = "CLIP (1 - cosine)"


def unions(evidence: Evidence) -> Written | None:
    """Every union that was removed, K by K."""
    series = evidence.main
    lines = evidence.once(removed)
    if series is None or not lines:
        return None
    parts, charts, ahead = [], {}, dict[int, list[Lead]]()
    for k in dict.fromkeys(line.k for line in lines):
        here = sorted((line for line in lines if line.k == k), key=lambda x: -x.targets["loss"].value)
        named = [line for line in here if line.method != CHANCE]
        head = _head(here, [len(draws) for draws in series.comparable(k).values()])
        parts.append(f"### {head}\n\n{_tables(named)}")
        if k and named:
            charts[f"union-{k}.svg"] = _chart(named)
            parts.append(f"![Rise of the loss of targets and controls]({FOLDER}/union-{k}.svg)\n")
            ahead[k] = leads(series, k)
            parts.append(_lead_table(ahead[k]))
    told = []
    for k, found in ahead.items():
        ranked = [line for line in lines if line.k == k and line.method not in YARDSTICKS]
        if ranked:
            told.append(_best(ranked) + _lead_words(found) + _picture_words(lines, k))
    plainly = " ".join(told) or "No method's union has been removed yet."
    return Written("\n".join(parts), plainly, charts)


def _best(lines: Sequence[UnionLine]) -> str:
    """The largest effect of one K."""
    best = max(lines, key=lambda line: line.targets["loss"].value)
    own, still = (percent(each["loss"]) for each in (best.targets, best.controls))
    return (
        f"At K = {best.k} `{best.method}` has the largest effect of {len(lines)} methods "
        f"({seeds(best.trainings)}): without the {best.left_out} images that it names, the targets' loss "
        f"rises {own} beyond chance, and that of the controls {still}."
    )


def _head(lines: Sequence[UnionLine], draws: Sequence[int]) -> str:
    """What was removed. `draws`: random unions by seed."""
    k = lines[0].k
    size = ", ".join(dict.fromkeys(str(line.left_out) for line in lines))
    title = f"K = {k}" if k else "Every scene with an object of a target"
    by_seed = f" ({', '.join(map(str, draws))} by seed)" if len(draws) > 1 else ""
    return f"{title}: {size} images left out, {sum(draws)} random unions{by_seed}"


def _tables(lines: Sequence[UnionLine]) -> str:
    if not lines:
        return "Nothing but random unions of this size was trained yet.\n"
    pictures = [line for line in lines if GONE in line.targets]
    return _loss_table(lines) + LOSSES + (_picture_table(pictures) if pictures else "")


def _chart(lines: Sequence[UnionLine]) -> str:
    marks = [
        (x.method, [Mark(e.value, e.interval) for e in (x.targets["loss"], x.controls["loss"])])
        for x in lines
    ]
    return interval_chart(marks, ("targets", "controls"), "rise of the loss beyond chance")


def _lead_table(found: Sequence[Lead]) -> str:
    if not found:
        return ""
    rows = [
        (
            called(x.method),
            str(x.seeds),
            markdown.percent(x.value, x.interval),
            "" if x.p is None else f"{x.p:.3f}",
        )
        for x in found
    ]
    head = (
        f"How much more the targets' loss rises without what `{DEFAULT}`, the default, names. *p* is "
        f"corrected (Holm) for the {len(rows)} comparisons; an interval stands for one alone:\n\n"
    )
    return head + table(("than without the images of", "seeds", "difference", "p"), rows)


def _lead_words(found: Sequence[Lead]) -> str:
    if not found:
        return ""
    ahead, behind, beside = (
        [x.method for x in found if chosen(x)]
        for chosen in (lambda x: x.ahead, lambda x: x.behind, lambda x: not x.clear)
    )
    told = f" The default is ahead of {listed(ahead) or 'none'}"
    if behind:
        told += f", behind {listed(behind)}"
    if not beside:
        return f"{told}."
    blind = [name for name in (*behind, *beside) if name in methods() and not reads_model(name)]
    told += f", and not told apart from {listed(beside)}"
    return f"{told} ({listed(blind)} without reading any diffusion model)." if blind else f"{told}."


def _picture_words(lines: Sequence[UnionLine], k: int) -> str:
    """Whether the pictures that are made again say the same."""
    known = [x for x in lines if x.k == k and x.method != CHANCE and GONE in x.targets]
    if not known:
        return ""
    more, fewer = _beyond(known, GONE)
    told = (
        f" In the pictures made again the targets' objects are gone oftener than by chance for {more} of "
        f"{len(known)} unions and more seldom for {fewer}"
    )
    if all(LIKENESS in x.targets for x in known):
        less, like = _beyond(known, LIKENESS)
        told += f"; by CLIP the pictures of {less} are less like the first ones, and of {like} more"
    return f"{told} (each by an interval of its own)."


def _beyond(lines: Sequence[UnionLine], outcome: str) -> tuple[int, int]:
    """How many unions have more of an outcome than chance, and how many less."""
    ends = [x.targets[outcome].interval or (0.0, 0.0) for x in lines]
    return sum(low > 0 for low, _ in ends), sum(high < 0 for _, high in ends)


def _loss_table(lines: Sequence[UnionLine]) -> str:
    header = (
        "without the images of", "seeds", "targets' loss", "in spreads of chance", "share of the oracle's",
        "controls' loss",
    )  # fmt: skip
    rows = [
        (
            called(x.method),
            str(x.trainings),
            percent(x.targets["loss"]),
            "" if x.targets["loss"].spreads is None else f"{x.targets['loss'].spreads:+.1f}",
            "" if x.share is None else f"{x.share[0]:.2f} {interval(x.share[1], 2)}",
            percent(x.controls["loss"]),
        )
        for x in lines
    ]
    return table(header, rows)


def _picture_table(lines: Sequence[UnionLine]) -> str:
    columns = [("targets' objects gone", "targets", GONE), ("controls' objects gone", "controls", GONE)]
    if all(LIKENESS in x.targets for x in lines):
        columns.append((f"targets: {LIKENESS}", "targets", LIKENESS))
    rows = [
        (
            called(x.method),
            *(signed((e := getattr(x, role)[name]).value, e.interval) for _, role, name in columns),
        )
        for x in lines
    ]
    return PICTURES + table(("without the images of", *(title for title, *_ in columns)), rows)
