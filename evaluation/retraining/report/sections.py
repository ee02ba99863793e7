"""The sections of docs/EVIDENCE.md, each made of the committed records."""

from __future__ import annotations

from collections.abc import Sequence

from evaluation.markdown import interval, table
from evaluation.retraining.panel import TARGET
from evaluation.retraining.plans import ORACLE
from evaluation.retraining.report.charts import Mark, interval_chart
from evaluation.retraining.report.contrasts import RECALLED, AgreementLine, agreement_lines, boxed_lines
from evaluation.retraining.report.evidence import REFERENCE_WORKSPACE, SHIPPED_WORKSPACE, Evidence
from evaluation.retraining.report.goals import goals
from evaluation.retraining.report.halves import halves
from evaluation.retraining.report.lds import LdsLine, reliability, scored
from evaluation.retraining.report.objects import recognised
from evaluation.retraining.report.pilot import pilot
from evaluation.retraining.report.proof_section import proofs
from evaluation.retraining.report.rounding import rounding
from evaluation.retraining.report.singles import singles
from evaluation.retraining.report.union_section import unions
from evaluation.retraining.report.varied import varied
from evaluation.retraining.report.written import FOLDER, Section, Written, called, listed, seeds, signed

RANDOM = "random"  # the method that knows nothing
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
what random images do. *Oftener gone*: in the pictures made again, the share of asked objects that the \
judge finds on neither side, less that of the other ones; without an interval where all pictures agree.

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
    plainly = f"The reference was trained with {seeds(len(records))}."
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


def datamodel(evidence: Evidence) -> Written | None:
    series = evidence.main
    if series is None:
        return None
    lines = evidence.once(scored)
    sure = reliability(series)
    if sure is None:
        return None
    again = (
        "not measured" if sure.seeds is None else f"{sure.seeds:.3f} ({sure.again} halves trained again)"
    )
    text = table(
        ("how far measured losses can be repeated", "rank correlation"),
        [
            ("two halves of the noises", f"{sure.halves:.3f}"),
            ("two seeds of training", again),
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
        near = [x.method for x in lines[1:] if not x.clearly_behind]
        apart = f", not told apart from {listed(near)}" if near else ""
        plainly += f" The best, `{lines[0].method}`, reaches {lines[0].score:.2f}{apart}."
        nothing = next((x for x in lines if x.method == RANDOM), None)
        if nothing is not None:
            plainly += (
                " By each picture's own losses, which how good a model is does not touch, it reaches "
                f"{lines[0].own:.2f} and `{RANDOM}` {nothing.own:.2f}."
            )
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
            called(x.method),
            str(x.k),
            f"{x.asked:+.1%}",
            f"{x.other:+.1%}",
            x.words,
            "no judge" if x.gone is None else signed(x.gone, x.gone_interval),
        )
        for x in lines
    ]
    header = ("method", "K", "asked box", "other box", "difference", "oftener gone than the other object")
    told = "; ".join(
        f"{called(x.method)} {x.asked:+.1%} inside that box, {x.other:+.1%} inside the other object's "
        f"({x.verdict})"
        for x in lines
        if x.method != ORACLE
    )
    plainly = f"What the loss rises by without the images that are named for one object's box: {told}."
    return Written(BOXED + table(header, rows), plainly)


SECTIONS = (
    Section("Which protocol has most signal?", "plan pilot", pilot),
    Section("The reference", "plan references", reference),
    Section("Without the images that a method names", "plan union", unions),
    Section("Chosen on one half of the targets", "plan union", halves),
    Section("Single pictures: loss against K", "plan single", singles),
    Section("Linear datamodeling score", "plan lds", datamodel),
    Section("The choices within unlearning", "vary", varied),
    Section("Boxed truth", "plan boxed", boxes),
    Section("The page's test of an answer", "prove", proofs),
    Section("The same training on another device", "plan rounding", rounding),
    Section("What was hoped for", "plan references", goals),
)
