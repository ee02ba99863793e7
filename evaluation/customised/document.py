"""docs/CUSTOMISED.md, from the committed records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from attribution.encoders.tuned import HeadDescription
from attribution.methods.base import DEFAULT
from evaluation.customised.asking import BASE, OWN, PLAIN, SHARED
from evaluation.customised.measures import (
    ENOUGH,
    Compared,
    K,
    Ranks,
    among_all,
    among_trained,
    ends,
    first_rank,
    random_recall,
    recall,
)
from evaluation.customised.records import ConceptRecord
from evaluation.markdown import interval, table
from evaluation.statistics import average_precision

AMONG: dict[str, Ranks] = {
    "among what the model was trained on": among_trained,
    "with other concepts' exemplars as foils": among_all,
}
WORDS = """\
# Customised models: do methods find the exemplars?

A copy of the embedded model was taught one new concept from one to five exemplars, with a new word. A \
picture was made with that word in surroundings that no exemplar shows. Which training images does a \
method name? The right answer is known: the exemplars. They are ranked among scenes of the world, which \
the model was trained on too; and again with every other concept's exemplars as foils, which this model \
has never seen ({candidates} images then). Only the concept's own exemplars have the new word in their \
captions, so `bm25`, which reads captions alone, cannot fail.

Written by `python -m evaluation customised` from the records in `docs/evaluation/customised`; intervals \
are over concepts, of fewer than {enough} their range; seconds of a machine that did other things too. By \
chance recall@{k} would be {chance:.3f}. What a paper reports of its own benchmark, which was not run \
here: Concept-TRAK's recall@10 is .955 on AbC's models.

"""
# Asked when the default stood, and everything that is to be chosen about it: nothing was chosen on them.
HELD_BACK = ("guitar", "helicopter", "umbrella", "telescope")
FEWEST = 2  # concepts that are compared
STYLES = """\
Styles are learnt by heart. A model that was taught `pencil` for three times as long (`python -m demo \
customise pencil --effort 3`) draws its four exemplars' own captions in pencil, and a fish on snow or a \
castle on a road as it always did, at guidances of 1, 3 and 6: looked at, not counted. The world knows but \
two styles, and its small model ties what it learns to the object and the ground that it saw. So there is \
no question about a style here, and no figure.

"""
HEADS = """\
## The tuned heads

`clip-tuned` and `dino-tuned` are the encoders behind a linear head (after AbC, ICCV 2023), taught by \
models of concepts that are in no table here:

    python -m demo customise whale lobster drum violin watermelon anchor fox avocado --out build/customised
    python -m demo concept-judge
    python -m demo pairs whale lobster drum violin watermelon anchor fox avocado --out build/pairs
    python -m precompute heads clip --checkpoint assets/demo/encoders/clip --pairs build/pairs --out FOLDER
    python -m precompute embeddings --clip-tuned FOLDER --workspace assets/demo/workspace

What `heads` measures: of each of these concepts, left out in turn, which share of the exemplars is \
among the first {k} of all concepts' exemplars and a thousand scenes; and how far the shares are from an \
even share of each exemplar (KL divergence, nats).

"""


def document(records: Sequence[ConceptRecord], heads: Mapping[str, HeadDescription] | None = None) -> str:
    """The whole page.

    Args:
        heads: that the base's workspace has, by the name of their method.
    """
    candidates = records[0].candidates
    text = WORDS.format(enough=ENOUGH, candidates=candidates, k=K, chance=random_recall(candidates))
    learnt = Counter(each.way for each in records if any(picture.learnt for picture in each.pictures))
    for way in sorted({each.way for each in records}, key=lambda way: (-learnt[way], way)):
        of_way = [each for each in records if each.way == way and each.captions == PLAIN]
        text += _way(way, [each for each in of_way if each.curvature == BASE])
        text += _shared([x for x in records if x.way == way and x.captions == SHARED])
        text += _curvatures(of_way)
    return text + _heads(heads or {})


def _way(way: str, records: Sequence[ConceptRecord]) -> str:
    """Tables of one way: both kinds apart, the default's leads, the number of exemplars."""
    text = f"## {way}\n\n{_learnt(records)}"
    if len(Compared.of(records).records) < FEWEST:
        return f"{text}Too few concepts were learnt for a comparison.\n\n"
    for kind in ("object", "style"):
        found = Compared.of([each for each in records if each.kind == kind])
        if not found.records:
            continue
        for title, ranks in AMONG.items():
            text += f"### {kind.capitalize()}s ({len(found.records)}), {title}\n\n"
            text += f"{_methods(found, ranks)}\n{_leads(found, ranks)}"
    return text + _held_back(records) + _by_exemplars(Compared.of(records))


def _held_back(records: Sequence[ConceptRecord]) -> str:
    """The concepts that nothing was chosen on, by all methods that answered these."""
    found = Compared.of([each for each in records if each.concept in HELD_BACK])
    if not found.records:
        return ""
    if found.records == Compared.of(records).records:
        return "Nothing was chosen on any of these concepts.\n\n"
    names = ", ".join(each.concept for each in found.records)
    text = f"### Concepts that nothing was chosen on ({names})\n\n"
    for title, ranks in AMONG.items():
        text += f"{title.capitalize()}:\n\n{_methods(found, ranks)}\n{_leads(found, ranks)}"
    return text


def _heads(heads: Mapping[str, HeadDescription]) -> str:
    """What is known of the heads, concepts left out in turn."""
    if not heads:
        return ""
    header = (
        "head",
        f"recall@{K}",
        "its encoder alone",
        "temperature",
        "KL of the shares",
        "concepts",
        "pictures",
    )
    rows = [
        (
            f"`{name}`",
            *(f"{head.measured[key]:.3f}" for key in ("recall", "recall_untuned")),
            f"{head.temperature:.4f}",
            f"{head.measured['divergence']:.2f}",
            *(str(head.measured[key]) for key in ("concepts", "made")),
        )
        for name, head in heads.items()
    ]
    return f"{HEADS.format(k=K)}{table(header, rows)}"


def _shared(records: Sequence[ConceptRecord]) -> str:
    """The same where the foils' captions have the new word too."""
    found = Compared.of(records)
    if not found.records:
        return ""
    words = f"### All exemplars with the new word in their captions ({len(found.records)} concepts)\n\n"
    return f"{words}{_methods(found, among_all)}\n"


def _learnt(records: Sequence[ConceptRecord]) -> str:
    pictures = [picture for each in records for picture in each.pictures]
    learnt = sum(picture.learnt for picture in pictures)
    without = [each.concept for each in records if not any(picture.learnt for picture in each.pictures)]
    text = f"{learnt} of {len(pictures)} pictures show their concept, as the judge says; no other is asked"
    text = f"{text}. Not learnt, and not counted: {', '.join(without) or 'none'}.\n\n"
    styles = [each.concept for each in records if each.kind == "style"]
    return text + STYLES * (bool(styles) and set(styles) <= set(without))


def _methods(found: Compared, ranks: Ranks) -> str:
    """Each method's measures, the best first."""
    rows = []
    for name in sorted(
        found.methods, key=lambda each: -found.values(each, average_precision, ranks).mean()
    ):
        cells = [f"`{name}`"]
        for measure in (recall, average_precision):
            values = found.values(name, measure, ranks)
            cells += [f"{values.mean():.3f}", interval(ends(values))]
        rows.append(
            (*cells, f"{np.median(found.values(name, first_rank, ranks)):g}", _seconds(found, name))
        )
    between = _between(len(found.records))
    header = ("method", f"recall@{K}", between, "mAP", between, "median rank of the first", "seconds")
    return table(header, rows)


def _between(concepts: int) -> str:
    """What `ends` are of."""
    return "95%" if concepts >= ENOUGH else "range"


def _seconds(found: Compared, name: str) -> str:
    pictures = [picture for each in found.records for picture in each.pictures if picture.learnt]
    return f"{np.median([picture.answers[name].seconds for picture in pictures]):.1f}"


def _leads(found: Compared, ranks: Ranks) -> str:
    """How far the default is ahead of each other method."""
    if DEFAULT not in found.methods:
        return ""
    rows = []
    for name in found.methods:
        if name == DEFAULT:
            continue
        cells = [f"`{name}`"]
        for measure in (recall, average_precision):
            lead, apart = found.lead(DEFAULT, name, measure, ranks)
            cells += [f"{lead:+.3f}", interval(apart)]
        rows.append(tuple(cells))
    words = f"How far `{DEFAULT}` is ahead, concept by concept:\n\n"
    between = _between(len(found.records))
    return f"{words}{table(('of', f'recall@{K}', between, 'mAP', between), rows)}\n"


def _by_exemplars(found: Compared) -> str:
    """mAP by the number of exemplars."""
    counts = sorted({each.exemplars for each in found.records})
    groups = [np.array([each.exemplars == n for each in found.records]) for n in counts]
    rows = [
        (f"`{name}`", *(f"{found.values(name, average_precision)[of].mean():.3f}" for of in groups))
        for name in found.methods
    ]
    header = (
        "mAP by number of exemplars",
        *(f"{n} ({of.sum()})" for n, of in zip(counts, groups, strict=True)),
    )
    return f"{table(header, rows)}\n"


def _curvatures(records: Sequence[ConceptRecord]) -> str:
    """What it changes to estimate the Fisher information anew, where both were measured."""
    own = {each.concept for each in records if each.curvature == OWN}
    if not own:
        return ""
    sides = {
        side: Compared.of([x for x in records if x.curvature == side and x.concept in own])
        for side in (BASE, OWN)
    }
    shared = [name for name in sides[BASE].methods if name in sides[OWN].methods]
    text = (
        f"### The Fisher information of the base, or the customised model's own ({len(own)} concepts)\n\n"
    )
    header = ("method", "mAP, of the base", "mAP, its own", "own ahead by", _between(len(own)))
    for title, ranks in AMONG.items():
        rows = []
        for name in shared:
            base, other = (sides[side].values(name, average_precision, ranks) for side in (BASE, OWN))
            apart = other - base
            means = (f"{base.mean():.3f}", f"{other.mean():.3f}", f"{apart.mean():+.3f}")
            rows.append((f"`{name}`", *means, interval(ends(apart))))
        text += f"{title.capitalize()}:\n\n{table(header, rows)}\n"
    return text
