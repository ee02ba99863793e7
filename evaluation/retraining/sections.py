"""The sections of docs/EVIDENCE.md, each made of the committed records."""

from __future__ import annotations

from collections.abc import Sequence

from attribution.methods.base import DEFAULT
from evaluation.markdown import interval, percents, table
from evaluation.retraining.charts import Mark, interval_chart
from evaluation.retraining.contrasts import RECALLED, AgreementLine, agreement_lines, boxed_lines
from evaluation.retraining.effects import Effect, UnionLine, union_lines
from evaluation.retraining.evidence import REFERENCE_WORKSPACE, SHIPPED_WORKSPACE, Evidence, recognised
from evaluation.retraining.goals import goals
from evaluation.retraining.lds import LdsLine, lds_lines, reliability
from evaluation.retraining.leads import Lead, leads
from evaluation.retraining.panel import TARGET
from evaluation.retraining.pilot import pilot
from evaluation.retraining.plans import CHANCE, ORACLE, ORACLE_ALL
from evaluation.retraining.proof_section import proofs
from evaluation.retraining.singles import singles
from evaluation.retraining.written import FOLDER, Section, Written

OWN_PICTURES = """
The panel's pictures were made by one of the references, for which they are easier than for a model of \
other luck: a rise over it is partly that, and so rises are held against those of random removals.
"""
AGREEMENT = """
The same pictures asked about under the reference and under the shipped model; methods that read no \
diffusion model say the same under both:

"""
OWN = """
*Each picture's own losses*: divided by the model's mean over all pictures, since some halves make a \
better model than others, which lifts or lowers all pictures and the sums of any scores, even random \
ones. *p*: that a method is as good as the best, corrected (Holm) for all that are compared with it.
"""
BOXED = """\
Each target has two objects, and each is asked about alone, by its box. The images that a method names \
for the left objects of all targets are left out together, and in another training those for the right \
ones. What counts is how much more the loss rises inside the asked box than inside the other one, beyond \
what random images do.

"""


def reference(evidence: Evidence) -> Written | None:
    series = evidence.main
    if series is None:
        return None
    shipped = evidence.attributions(SHIPPED_WORKSPACE, series.panel)
    lines = agreement_lines(evidence.attributions(REFERENCE_WORKSPACE, series.panel), shipped)
    records = list(series.references.values())
    if not records and not lines:
        return None
    facts = [("references (seeds)", str(len(records)))]
    every = list(range(len(series.panel.pictures)))
    share = recognised(records, series.panel, every)
    facts.append(("objects recognised by the judge", "not measured" if share is None else f"{share:.3f}"))
    rows = series.panel.rows(TARGET)
    facts += [
        (f"mean loss of the targets, seed {seed}", f"{record.mean_losses()[rows].mean():.4f}")
        for seed, record in sorted(series.references.items())
    ]
    agree = [
        (f"`{x.method}`", f"{x.spearman:.3f} {interval(x.interval)}", f"{x.images:,.0f}", f"{x.recall:.2f}")
        for x in lines
    ]
    text = table((f"recipe {series.recipe}", "measured"), facts) + OWN_PICTURES
    seeds = "one seed" if len(records) == 1 else f"{len(records)} seeds"
    plainly = f"The reference was trained with {seeds}."
    if agree:
        text += AGREEMENT + table(
            ("method", "Spearman", "images scored under both", f"recall@{RECALLED}"), agree
        )
        plainly += _agreement_words([line for line in lines if line.reads_model])
    return Written(text, plainly)


def _agreement_words(lines: Sequence[AgreementLine]) -> str:
    """How far what is found here stands for the shipped model."""
    if not lines:
        return ""
    told = ", ".join(f"`{x.method}` {x.spearman:.2f} ({x.recall:.0%})" for x in lines)
    return (
        " What was retrained is the reference, not the shipped model, and a figure of a method holds for "
        "the latter as far as it says the same under both. By rank correlation, and by the share of the "
        f"first {RECALLED} that are the same: {told}."
    )


def unions(evidence: Evidence) -> Written | None:
    series = evidence.main
    lines = [] if series is None else union_lines(series)
    if series is None or not lines:
        return None
    parts, charts, ahead = [], {}, dict[int, list[Lead]]()
    for k in dict.fromkeys(line.k for line in lines):
        here = sorted((line for line in lines if line.k == k), key=lambda x: -x.targets["loss"].value)
        named = [line for line in here if line.method != CHANCE]
        head = f"K = {k}" if k else "Every scene with an object of a target"
        draws = len(series.chance(k))
        size = ", ".join(dict.fromkeys(str(line.left_out) for line in here))
        told = _union_table(named) if named else "Nothing but random unions of this size was trained yet.\n"
        parts.append(f"### {head}: {size} images left out, {draws} random unions\n\n{told}")
        if k and named:
            marks = [
                (x.method, [Mark(e.value, e.interval) for e in (x.targets["loss"], x.controls["loss"])])
                for x in named
            ]
            charts[f"union-{k}.svg"] = interval_chart(
                marks, ("targets", "controls"), "rise of the loss beyond chance"
            )
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
    return Written("\n".join(parts), plainly + _lead_words(ahead.get(best.k, [])), charts)


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


def _lead_words(found: Sequence[Lead]) -> str:
    if not found:
        return ""
    ahead = [f"`{x.method}`" for x in found if x.clear]
    beside = [f"`{x.method}`" for x in found if f"`{x.method}`" not in ahead]
    told = f" The default is ahead of {', '.join(ahead)}" if ahead else " The default is ahead of none"
    return told + (f", and not told apart from {', '.join(beside)}." if beside else ".")


def _union_table(lines: Sequence[UnionLine]) -> str:
    header = (
        "without the images of", "seeds", "targets' loss", "in spreads of chance", "share of the oracle's",
        "controls' loss", "pixels (MSE)", "CLIP", "DINO", "targets' objects recognised",
    )  # fmt: skip
    rows = [
        (
            f"`{x.method}`" if x.method not in (ORACLE, ORACLE_ALL) else f"*{x.method}*",
            str(x.trainings),
            _percent(x.targets["loss"]),
            "" if x.targets["loss"].spreads is None else f"{x.targets['loss'].spreads:+.1f}",
            "" if x.share is None else f"{x.share[0]:.2f} {interval(x.share[1], 2)}",
            _percent(x.controls["loss"]),
            *(
                _number(x.targets.get(name))
                for name in ("pixels (MSE)", "CLIP (1 - cosine)", "DINO (1 - cosine)")
            ),
            "" if x.recognised is None else f"{x.recognised:.2f}",
        )
        for x in lines
    ]
    return table(header, rows)


def datamodel(evidence: Evidence) -> Written | None:
    series = evidence.main
    if series is None:
        return None
    lines = lds_lines(series, evidence.scores_of_all(series.panel))
    sure = reliability(series)
    if sure is None:
        return None
    seeds = (
        "not measured" if sure.seeds is None else f"{sure.seeds:.3f} ({sure.again} halves trained again)"
    )
    text = table(
        ("how far measured losses can be repeated", "rank correlation"),
        [
            ("two halves of the noises", f"{sure.halves:.3f}"),
            ("two seeds of training", seeds),
            ("ceiling of the score", f"{sure.ceiling:.3f}"),
        ],
    )
    text += f"\n{_lds_table(lines, None if sure.seeds is None else sure.ceiling)}{OWN}"
    marks = [(x.method, [Mark(x.score, x.interval)]) for x in lines]
    chart = {"lds.svg": interval_chart(marks, ("LDS",), "LDS", percent=False)} if marks else {}
    if chart:
        text += f"\n![Linear datamodeling score]({FOLDER}/lds.svg)\n"
    alone = ", for the noise of measuring alone: the luck of training is not measured"
    unsure = alone if sure.seeds is None else ""
    plainly = (
        f"On {sure.models} models of random halves the score can reach {sure.ceiling:.2f} at most{unsure}."
    )
    if lines:
        near = [f"`{x.method}`" for x in lines[1:] if not x.clearly_behind]
        apart = f", not told apart from {', '.join(near)}" if near else ""
        plainly += f" The best, `{lines[0].method}`, reaches {lines[0].score:.2f}{apart}."
    return Written(text, plainly, chart)


def _lds_table(lines: Sequence[LdsLine], ceiling: float | None) -> str:
    """Shares of the ceiling only where it is known: it needs trainings of two seeds."""
    rows = [
        (
            f"`{x.method}`",
            f"{x.score:.3f} {interval(x.interval)}",
            *((f"{x.score / ceiling:.2f}",) if ceiling else ()),
            f"{x.own:.3f}",
            "" if x.behind is None else f"{lines[0].score - x.score:.3f} {interval(x.behind)}",
            "" if x.p is None else f"{x.p:.3f}",
        )
        for x in lines
    ]
    shares = ("share of the ceiling",) if ceiling else ()
    own = "LDS of each picture's own losses"
    return table(("method", "LDS", *shares, own, "behind the best", "p"), rows)


def boxes(evidence: Evidence) -> Written | None:
    found = [] if evidence.main is None else boxed_lines(evidence.main)
    lines = sorted(found, key=lambda x: -x.contrast)
    if not lines:
        return None
    rows = [
        (
            f"`{x.method}`",
            str(x.k),
            f"{x.asked:+.1%}",
            f"{x.other:+.1%}",
            f"{x.contrast:+.1%} {percents(x.interval)}",
            "no judge"
            if x.unrecognised is None or x.unrecognised_interval is None
            else f"{x.unrecognised:+.3f} {interval(x.unrecognised_interval)}",
        )
        for x in lines
    ]
    header = ("method", "K", "asked box", "other box", "difference", "recognised less than the other")
    told = "; ".join(
        f"`{x.method}` {x.asked:+.1%} inside that box, {x.other:+.1%} inside the other object's "
        f"({'selective' if x.interval[0] > 0 else 'not told apart'})"
        for x in lines
        if x.method != ORACLE
    )
    plainly = f"What the loss rises by without the images that are named for one object's box: {told}."
    return Written(BOXED + table(header, rows), plainly)


SECTIONS = (
    Section("Which protocol has most signal?", "pilot", pilot),
    Section("The reference", "references", reference),
    Section("Without the images that a method names", "union", unions),
    Section("Single pictures: loss against K", "single", singles),
    Section("Linear datamodeling score", "lds", datamodel),
    Section("Boxed truth", "boxed", boxes),
    Section("The page's test of an answer", "union", proofs),
    Section("What was hoped for", "references", goals),
)


def _percent(effect: Effect) -> str:
    return f"{effect.value:+.1%}" + ("" if effect.interval is None else f" {percents(effect.interval)}")


def _number(effect: Effect | None) -> str:
    return "" if effect is None else f"{effect.value:+.4f}"
