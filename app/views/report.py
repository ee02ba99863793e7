"""A run as one HTML file that can be filed: no script, no request, readable on paper and in the dark."""

from __future__ import annotations

import base64
import io
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from app.charts.groups import TOP
from app.frontend.assets import report_styles
from app.frontend.evidence import evidence_in_words
from app.frontend.templates import render
from app.runs.boxes import boxes_of_run
from app.runs.export import fresh_folder, name_of, write_with_boxes
from app.runs.names import model_name, training_set_name
from app.runs.proofs import ITSELF, Proof
from app.runs.run import Part, Run
from app.views.finding import findings
from app.views.pictures import data_uri
from app.views.proofs import proof_view
from app.views.report_glossary import CAUTIONS, TERMS
from app.views.report_limits import limits
from app.views.scores import Figures, figures_of, lines_of, standing_out_words
from app.views.training_image import fact_words
from attribution.analysis.evidence import Evidence, evidence_of
from attribution.analysis.groups import columns_of, first_shares
from attribution.errors import ImageError
from attribution.methods.base import changed_options, method
from attribution.results import Entry, Ranking
from attribution.workspace.workspace import Workspace

SHOWN = 12  # ranks of each method; the JSON has them all
GROUPS = 6  # values of each column
LARGE, SMALL = 640, 128  # pixels of the picture and of a training image


def report(run: Run, workspace: Workspace) -> str:
    """The whole document. Every text that a person or a training set brought is escaped."""
    assert run.answered, "a report is of a whole answer"
    answers = [part.attribution for part in run.parts if part.attribution is not None]
    found = evidence_of(workspace)
    hashes = {"picture (sha256 of its pixels)": answers[0].query.get("image_sha256", "")}
    return render(
        "report.html",
        styles=Markup(report_styles()),
        caption=run.caption,
        date=time.strftime("%-d %B %Y, %H:%M UTC", time.gmtime(run.begun)),
        made_with=_made_with(run),
        findings=findings(run, nothing=True),
        picture=data_uri(run.picture.image, LARGE),
        question=plain_facts({**_question(run, workspace.config.preparation.words), **asked_of(workspace)}),
        limits=limits(run, found, SHOWN),
        parts=[_part(part, run, workspace, found) for part in run.parts],
        proofs=[_proof(proof, run) for proof in run.proofs],
        terms=TERMS,
        cautions=CAUTIONS,
        png=_png_uri(run),
        commands=[command_line(run, part) for part in run.parts],
        settings=plain_facts({**_settings(run), **run.made_with}),
        fingerprints=plain_facts({**answers[0].fingerprints, **hashes}),
        id=run.id,
    )


def write_report(run: Run, workspace: Workspace) -> Path:
    """The document as a file of its own."""
    path = fresh_folder() / f"{name_of(run.caption)}.html"
    path.write_text(f"{report(run, workspace)}\n", encoding="utf-8")
    return path


def command_line(run: Run, part: Part) -> str:
    """What gives the same answer again. PICTURE.png is the picture as it is saved from the page."""
    made, settings = run.picture.made, run.settings
    words = ["python", "-m", "attribution"]
    if run.picture.original_size is None and made.get("seed") == settings.seed:
        words += ["--prompt", run.caption, "--steps", str(made["steps"])]
        words += ["--guidance", repr(made["guidance"])]
        words += ["--negative-prompt", made["negative_prompt"]] if made.get("negative_prompt") else []
    else:
        words += ["PICTURE.png", "--caption", run.caption]
    if part.query.box is not None:
        words += ["--box", *map(repr, part.query.box.as_tuple())]
    words += ["--method", *run.methods, "--effort", settings.effort, "--seed", str(settings.seed)]
    if settings.candidates is not None:
        words += [
            "--candidates",
            str(settings.candidates) if isinstance(settings.candidates, int) else "FILE",
        ]
    changed = changed_options(settings)
    words += ["--option", *changed] if changed else []
    return shlex.join([*words, "--workspace", "WORKSPACE"])


def _question(run: Run, made_square: str) -> dict[str, Any]:
    """What was asked, and how the picture was made."""
    boxed = [part for part in run.parts if part.query.box is not None]
    return {
        "Asked about": "; ".join(f"{part.title}: {_box_words(part)}" for part in boxed)
        or "the whole picture",
        "Methods": ", ".join(method(name).title for name in run.methods),
        "Effort": run.settings.effort,
        **_how_made(run, made_square),
    }


def asked_of(workspace: Workspace) -> dict[str, Any]:
    """Model and training set by name; their fingerprints follow. No folder of this machine is told."""
    images, side = len(workspace.training_set), workspace.resolution
    return {
        "Model": f"{model_name(workspace)}, {side} × {side}",
        "Training set": f"{training_set_name(workspace)}, {images:,} images",
    }


def _made_with(run: Run) -> str:
    """ "Whence 0.1.0 on Linux x86_64, 2 cores"; "" of a run that was kept before it was told."""
    made = run.made_with
    return f"Whence {made['Whence']} on {made['Machine']}" if {"Whence", "Machine"} <= made.keys() else ""


def _how_made(run: Run, made_square: str) -> dict[str, Any]:
    made = run.picture.made
    names = ("seed", "steps", "guidance", "negative_prompt")
    known = {name.capitalize(): made[name] for name in names if made.get(name) not in (None, "")}
    if run.picture.original_size is None:
        return {"Picture": "generated on the page" if "seed" in made else _of_training_set(made), **known}
    width, height = run.picture.original_size
    origin = f"brought to the page, {width} × {height}; the model sees it {made_square}"
    return {"Picture": origin, **known}


def _of_training_set(made: Mapping[str, Any]) -> str:
    """Of a picture that was neither made nor brought; runs that were kept before it was told name none."""
    named = made.get("training_image")
    return f"training image {named}" if named else "a training image of this set"


def _box_words(part: Part) -> str:
    assert part.query.box is not None
    x0, y0, x1, y1 = part.query.box.as_tuple()
    return f"{x0:.1%} to {x1:.1%} across, {y0:.1%} to {y1:.1%} down"


def _part(part: Part, run: Run, workspace: Workspace, found: Evidence | None) -> dict[str, Any]:
    box = part.query.box
    return {
        "label": part.label,
        "title": part.title,
        "box": None if box is None else box.as_tuple(),
        "crop": "" if box is None else data_uri(box.crop(run.picture.image), SMALL),
        "rankings": [_ranking(ranking, workspace, found) for ranking in part.rankings.values()],
        "groups": _groups(part, workspace),
        "problems": [
            {"title": method(name).title, "words": words}
            for name, words in (part.attribution.problems if part.attribution else {}).items()
        ],
    }


def _groups(part: Part, workspace: Workspace) -> dict[str, Any]:
    """Whose images are among the first ranks of the part's first method, by every column that groups."""
    ranking = next(iter(part.rankings.values()))
    training_set, top = workspace.training_set, min(TOP, len(ranking))
    tables = {}
    for column in columns_of(training_set):
        shares = [share for share in first_shares(ranking, training_set, column, TOP) if share.first]
        tables[column.replace("_", " ")] = [
            {
                "value": share.value,
                "first": f"{share.first} of {top}",
                "interval": f"{share.low:.0%} to {share.high:.0%}",
                "base": f"{share.base:.1%}",
            }
            for share in shares[:GROUPS]
        ]
    return {"title": ranking.title, "tables": tables}


def _proof(proof: Proof, run: Run) -> dict[str, Any]:
    part = next(part for part in run.parts if part.label == proof.part)
    what = "The picture itself unlearned" if proof.kind == ITSELF else method(proof.method).title
    return {"title": f"{part.title}: {what}" if len(run.parts) > 1 else what, "view": proof_view(proof)}


def _ranking(ranking: Ranking, workspace: Workspace, found: Evidence | None) -> dict[str, Any]:
    lines = lines_of(ranking, SHOWN)
    figures = figures_of(lines.sure or lines.unsure, ranking)
    return {
        "title": ranking.title,
        "about": method(ranking.method).description,
        "evidence": evidence_in_words(found, ranking.method),
        "how": _how(ranking, figures),
        "warnings": ranking.warnings,
        "cells": [_cell(entry, figures, ranking, workspace) for entry in lines.sure],
        "unsure": [_cell(entry, figures, ranking, workspace) for entry in lines.unsure],
    }


def _how(ranking: Ranking, figures: Figures) -> str:
    facts = [f"Ranked: {ranking.candidates}, in {ranking.seconds:.1f} s"]
    if out := standing_out_words(ranking):
        facts.append(out)
    if {"query_rise", "control_rise"} <= ranking.details.keys():
        own, control = ranking.details["query_rise"], ranking.details["control_rise"]
        facts.append(
            f"the picture's own loss rose by {own:.1%}, that of random training images by {control:.1%}"
        )
    if figures.unit:
        facts.append(f"scores {figures.unit}")
    return " · ".join(facts)


def _cell(entry: Entry, figures: Figures, ranking: Ranking, workspace: Workspace) -> dict[str, Any]:
    out, verdict = ranking.stands_out(entry), ""
    if out is not None and entry.z is not None:
        verdict = f"{'✦ stands out, ' if out else ''}z {entry.z:.1f}"
    return {
        "picture": _thumbnail(entry, workspace),
        "rank": entry.rank,
        "score": figures.score(entry),
        "error": figures.error(entry),
        "verdict": verdict,
        "caption": entry.caption,
        "columns": _columns(entry, workspace),
        "id": entry.id,
    }


def _columns(entry: Entry, workspace: Workspace) -> list[tuple[str, str]]:
    """What the training set's further columns say of an image."""
    metadata = workspace.training_set.examples[entry.row].metadata
    columns = [name for name in columns_of(workspace.training_set) if metadata.get(name) is not None]
    return [(name.replace("_", " "), fact_words(metadata[name])) for name in columns]


def _thumbnail(entry: Entry, workspace: Workspace) -> str:
    """A training image; "" where the file has gone since: the rest of the report stands."""
    try:
        return data_uri(workspace.training_set.image(entry.row), SMALL)
    except ImageError:
        return ""


def _png_uri(run: Run) -> str:
    out = io.BytesIO()
    write_with_boxes(run.picture, boxes_of_run(run), out)
    return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"


def _settings(run: Run) -> dict[str, Any]:
    """Every setting that has a value, those of single methods under their titles."""
    asked = [method(name) for name in run.methods]
    plain = run.settings.to_json(asked)
    options = plain.pop("options")
    own = {f"{each.title}, {key}": value for each in asked for key, value in options[each.name].items()}
    return {name: value for name, value in {**plain, **own}.items() if value is not None}


def plain_facts(facts: Mapping[str, Any]) -> dict[str, str]:
    return {name.replace("_", " "): _words(value) for name, value in facts.items()}


def _words(value: object) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
