"""What the evidence says of unions: the loss, the pictures made again, and who is ahead of whom."""

from __future__ import annotations

from collections.abc import Sequence

from attribution.methods.base import DEFAULT, methods
from evaluation.markdown import interval, percents, table
from evaluation.retraining.charts import Mark, interval_chart
from evaluation.retraining.contrasts import reads_model
from evaluation.retraining.effects import GONE, Effect, UnionLine, union_lines
from evaluation.retraining.evidence import Evidence
from evaluation.retraining.leads import Lead, leads
from evaluation.retraining.plans import CHANCE, ORACLE, ORACLE_ALL
from evaluation.retraining.written import FOLDER, Written

PICTURES = """
The pictures made again from the same noise and prompts, beyond those of random removals. *Objects gone*: \
the share of objects that the judge finds on neither side. Objects that have changed sides are not gone, \
but make another picture of it, which likeness counts.

"""


def unions(evidence: Evidence) -> Written | None:
    """Every union that was removed, K by K."""
    series = evidence.main
    lines = [] if series is None else union_lines(series)
    if series is None or not lines:
        return None
    parts, charts, ahead = [], {}, dict[int, list[Lead]]()
    for k in dict.fromkeys(line.k for line in lines):
        here = sorted((line for line in lines if line.k == k), key=lambda x: -x.targets["loss"].value)
        named = [line for line in here if line.method != CHANCE]
        parts.append(f"### {_head(here, len(series.chance(k)))}\n\n{_tables(named)}")
        if k and named:
            charts[f"union-{k}.svg"] = _chart(named)
            parts.append(f"![Rise of the loss of targets and controls]({FOLDER}/union-{k}.svg)\n")
            ahead[k] = leads(series, k)
            parts.append(_lead_table(ahead[k]))
    ranked = [line for line in lines if line.k and line.method not in (CHANCE, ORACLE, ORACLE_ALL)]
    if not ranked:
        return Written("\n".join(parts), "No method's union has been removed yet.", charts)
    best = max(ranked, key=lambda line: line.targets["loss"].value)
    gain, still = best.targets["loss"], best.controls["loss"]
    plainly = (
        f"The largest effect of {len({line.method for line in ranked})} methods: without the "
        f"{best.left_out} images that `{best.method}` names, the targets' loss rises {_percent(gain)} "
        f"beyond chance, and that of the controls {_percent(still)}."
    )
    told = "".join(_lead_words(k, found) for k, found in ahead.items())
    return Written("\n".join(parts), plainly + told + _picture_words(lines), charts)


def _head(lines: Sequence[UnionLine], draws: int) -> str:
    k = lines[0].k
    size = ", ".join(dict.fromkeys(str(line.left_out) for line in lines))
    title = f"K = {k}" if k else "Every scene with an object of a target"
    return f"{title}: {size} images left out, {draws} random unions"


def _tables(lines: Sequence[UnionLine]) -> str:
    if not lines:
        return "Nothing but random unions of this size was trained yet.\n"
    pictures = [line for line in lines if GONE in line.targets]
    return _loss_table(lines) + (PICTURES + _picture_table(pictures) if pictures else "")


def _chart(lines: Sequence[UnionLine]) -> str:
    marks = [
        (x.method, [Mark(e.value, e.interval) for e in (x.targets["loss"], x.controls["loss"])])
        for x in lines
    ]
    return interval_chart(marks, ("targets", "controls"), "rise of the loss beyond chance")


def _lead_table(found: Sequence[Lead]) -> str:
    if not found:
        return ""
    ends = ["" if x.interval is None else f" {percents(x.interval)}" for x in found]
    rows = [
        (f"`{x.method}`", str(x.seeds), f"{x.value:+.1%}{own}", "" if x.p is None else f"{x.p:.3f}")
        for x, own in zip(found, ends, strict=True)
    ]
    head = (
        f"How much more the targets' loss rises without what `{DEFAULT}`, the default, names. *p* is "
        f"corrected (Holm) for the {len(rows)} comparisons; an interval stands for one alone:\n\n"
    )
    return head + table(("than without the images of", "seeds", "difference", "p"), rows)


def _lead_words(k: int, found: Sequence[Lead]) -> str:
    if not found:
        return ""
    ahead, beside = ([x.method for x in found if x.clear is clear] for clear in (True, False))
    told = f" At K = {k} the default is ahead of {_listed(ahead) or 'none'}"
    if not beside:
        return f"{told}."
    blind = [name for name in beside if name in methods() and not reads_model(name)]
    told += f", and not told apart from {_listed(beside)}"
    return f"{told} ({_listed(blind)} without reading any diffusion model)." if blind else f"{told}."


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _picture_words(lines: Sequence[UnionLine]) -> str:
    """Whether the pictures that are made again say the same, K by K."""
    told = []
    for k in dict.fromkeys(line.k for line in lines if line.k):
        known = [x for x in lines if x.k == k and x.method != CHANCE and GONE in x.targets]
        clear = [_called(x.method) for x in known if (x.targets[GONE].interval or (0.0, 0.0))[0] > 0]
        if known:
            named = f" ({', '.join(clear)})" if clear else ""
            told.append(f"{len(clear)} of {len(known)} unions of K = {k}{named}")
    return (
        " In the pictures made again the judge misses clearly more of the targets' objects than by chance "
        f"for {' and '.join(told)}."
        if told
        else ""
    )


def _loss_table(lines: Sequence[UnionLine]) -> str:
    header = (
        "without the images of", "seeds", "targets' loss", "in spreads of chance", "share of the oracle's",
        "controls' loss",
    )  # fmt: skip
    rows = [
        (
            _called(x.method),
            str(x.trainings),
            _percent(x.targets["loss"]),
            "" if x.targets["loss"].spreads is None else f"{x.targets['loss'].spreads:+.1f}",
            "" if x.share is None else f"{x.share[0]:.2f} {interval(x.share[1], 2)}",
            _percent(x.controls["loss"]),
        )
        for x in lines
    ]
    return table(header, rows)


def _picture_table(lines: Sequence[UnionLine]) -> str:
    likeness = ("pixels (MSE)", "CLIP (1 - cosine)", "DINO (1 - cosine)")
    rows = [
        (
            _called(x.method),
            _signed(x.targets[GONE]),
            _signed(x.controls[GONE]),
            *("" if (found := x.targets.get(name)) is None else f"{found.value:+.4f}" for name in likeness),
        )
        for x in lines
    ]
    header = ("without the images of", "targets' objects gone", "controls' objects gone", *likeness)
    return table(header, rows)


def _called(method: str) -> str:
    return f"`{method}`" if method not in (ORACLE, ORACLE_ALL) else f"*{method}*"


def _percent(effect: Effect) -> str:
    return f"{effect.value:+.1%}" + ("" if effect.interval is None else f" {percents(effect.interval)}")


def _signed(effect: Effect) -> str:
    """A share, with its sign, and its interval."""
    ends = effect.interval
    return f"{effect.value:+.2f}" + ("" if ends is None else f" [{ends[0]:+.2f}, {ends[1]:+.2f}]")
