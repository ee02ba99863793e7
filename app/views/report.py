"""A run as one HTML file that can be filed: no script, no request, readable on paper and in the dark."""

from __future__ import annotations

import base64
import html
import io
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app.runs.boxes import boxes_of_run
from app.runs.export import fresh_folder, name_of, write_with_boxes
from app.runs.run import Part, Run
from app.views.pictures import data_uri
from app.views.report_glossary import CAUTIONS, TERMS
from app.views.scores import Figures, figures_of
from attribution.errors import ImageError
from attribution.methods.base import method
from attribution.query import Box
from attribution.results import Entry, Ranking
from attribution.workspace.workspace import Workspace

STYLES = Path(__file__).parents[2] / "assets" / "report" / "report.css"
SHOWN = 12  # ranks of each method; the JSON has them all
LARGE, SMALL = 640, 128  # pixels of the picture and of a training image
NOTHING_FROM_OUTSIDE = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def report(run: Run, workspace: Workspace) -> str:
    """The whole document. Every text that a person or a training set brought is escaped."""
    assert run.answered, "a report is of a whole answer"
    title = html.escape(run.caption)
    parts = "".join(_part(part, run, workspace) for part in run.parts)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{NOTHING_FROM_OUTSIDE}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>Whence: {title}</title><style>{STYLES.read_text(encoding='utf-8')}</style></head>"
        f'<body><main><header><p class="kind">Whence · where a picture came from</p><h1>{title}</h1>'
        f"<p>Asked on {_date(run.begun)}.</p></header>"
        f"{_question(run)}{_warnings(run)}{parts}{_reading()}{_provenance(run)}"
        "</main></body></html>\n"
    )


def write_report(run: Run, workspace: Workspace) -> Path:
    path = fresh_folder() / f"{name_of(run.caption)}.html"
    path.write_text(report(run, workspace), encoding="utf-8")
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
    words += [] if settings.alpha is None else ["--alpha", repr(settings.alpha)]
    return shlex.join([*words, "--workspace", "WORKSPACE"])


def _date(seconds: float) -> str:
    return time.strftime("%-d %B %Y, %H:%M UTC", time.gmtime(seconds))


def _question(run: Run) -> str:
    """The picture with its boxes, and how it was made."""
    boxes = "".join(
        f'<span class="box" style="{_place(part.query.box)}"><b>{html.escape(part.label)}</b></span>'
        for part in run.parts
        if part.query.box is not None
    )
    asked = [f"{part.title}: {_box_words(part)}" for part in run.parts if part.query.box is not None]
    facts: dict[str, Any] = {
        "Asked about": "; ".join(asked) or "the whole picture",
        "Methods": ", ".join(method(name).title for name in run.methods),
        "Effort": run.settings.effort,
        **_how_made(run),
    }
    return (
        '<section class="question"><figure>'
        f'<img src="{data_uri(run.picture.image, LARGE)}" alt="{html.escape(run.caption)}">{boxes}</figure>'
        f"<div>{_table(facts)}</div></section>"
    )


def _how_made(run: Run) -> dict[str, Any]:
    made = run.picture.made
    names = ("seed", "steps", "guidance", "negative_prompt")
    known = {
        name.replace("_", " ").capitalize(): made[name]
        for name in names
        if made.get(name) not in (None, "")
    }
    if run.picture.original_size is None:
        return {"Picture": "generated on the page", **known}
    width, height = run.picture.original_size
    origin = f"brought to the page, {width} × {height}; the model sees its centre square"
    return {"Picture": origin, **known}


def _place(box: Box) -> str:
    x0, y0, x1, y1 = (100 * side for side in box.as_tuple())
    return f"left:{x0:.2f}%;top:{y0:.2f}%;width:{x1 - x0:.2f}%;height:{y1 - y0:.2f}%"


def _box_words(part: Part) -> str:
    assert part.query.box is not None
    x0, y0, x1, y1 = part.query.box.as_tuple()
    return f"{x0:.1%} to {x1:.1%} across, {y0:.1%} to {y1:.1%} down"


def _warnings(run: Run) -> str:
    told = dict.fromkeys(
        words for part in run.parts if part.attribution for words in part.attribution.warnings
    )
    if not told:
        return ""
    lines = "".join(f"<li>{html.escape(words)}</li>" for words in told)
    return f'<section class="warnings"><h2>Before you believe it</h2><ul>{lines}</ul></section>'


def _part(part: Part, run: Run, workspace: Workspace) -> str:
    crop = ""
    if part.query.box is not None:
        crop = f'<img src="{data_uri(part.query.box.crop(run.picture.image), SMALL)}" alt="">'
    rankings = "".join(_ranking(ranking, workspace) for ranking in part.rankings.values())
    return f'<section class="part"><h2>{crop}{html.escape(part.title)}</h2>{rankings}</section>'


def _ranking(ranking: Ranking, workspace: Workspace) -> str:
    first = ranking.entries[:SHOWN]
    figures = figures_of(first)
    cells = "".join(_cell(entry, figures, ranking, workspace) for entry in first)
    warnings = "".join(f'<p class="warning">{html.escape(words)}</p>' for words in ranking.warnings)
    return (
        f"<article><h3>{html.escape(ranking.title)}</h3>"
        f'<p class="about">{html.escape(method(ranking.method).description)}</p>'
        f'<p class="how">{html.escape(_how(ranking, figures))}</p>{warnings}<ol>{cells}</ol></article>'
    )


def _how(ranking: Ranking, figures: Figures) -> str:
    judged = [ranking.stands_out(entry) for entry in ranking.entries]
    told = [f"Ranked: {ranking.candidates}, in {ranking.seconds:.1f} s"]
    if any(one is not None for one in judged):
        told.append(f"{sum(map(bool, judged)):,} stand out")
    if {"query_rise", "control_rise"} <= ranking.details.keys():
        own, control = ranking.details["query_rise"], ranking.details["control_rise"]
        told.append(
            f"the picture's own loss rose by {own:.1%}, that of random training images by {control:.1%}"
        )
    if figures.unit:
        told.append(f"scores {figures.unit}")
    return " · ".join(told)


def _cell(entry: Entry, figures: Figures, ranking: Ranking, workspace: Workspace) -> str:
    error = figures.error(entry)
    out = ranking.stands_out(entry)
    verdict = ""
    if out is not None and entry.z is not None:
        verdict = f'<span class="verdict">{"✦ stands out, " if out else ""}z {entry.z:.1f}</span>'
    return (
        f'<li>{_thumbnail(entry, workspace)}<span class="score"><b>{entry.rank}</b> {figures.score(entry)}'
        f"{f' <small>± {error}</small>' if error else ''}</span>{verdict}"
        f'<span class="caption">{html.escape(entry.caption)}</span>'
        f'<span class="id">{html.escape(entry.id)}</span></li>'
    )


def _thumbnail(entry: Entry, workspace: Workspace) -> str:
    try:
        return f'<img src="{data_uri(workspace.training_set.image(entry.row), SMALL)}" alt="">'
    except ImageError:  # the file has gone since; the rest of the report stands
        return '<span class="gone">The picture is no longer there.</span>'


def _reading() -> str:
    meanings = "".join(
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(words)}</dd>" for name, words in TERMS
    )
    warned = "".join(f"<li>{html.escape(words)}</li>" for words in CAUTIONS)
    return (
        f'<section class="reading"><h2>What the numbers mean</h2><dl>{meanings}</dl>'
        f"<h2>What not to conclude</h2><ul>{warned}</ul></section>"
    )


def _provenance(run: Run) -> str:
    """Settings, fingerprints, and how to get the same answer again."""
    answers = [part.attribution for part in run.parts if part.attribution is not None]
    commands = "".join(f"<pre>{html.escape(command_line(run, part))}</pre>" for part in run.parts)
    saved = f'<a download="PICTURE.png" href="{_png_uri(run)}">PICTURE.png</a>'
    settings = {name: value for name, value in asdict(run.settings).items() if value is not None}
    hashes = {"picture (sha256 of its pixels)": answers[0].query.get("image_sha256", "")}
    return (
        '<section class="provenance"><h2>The same again</h2>'
        f"<p>From a checkout of Whence: {saved} is the picture with its settings inside, and WORKSPACE the "
        "folder that has the fingerprints below. The same question has the same answer.</p>"
        f"{commands}<h2>Settings</h2>{_table(settings)}"
        f"<h2>Fingerprints</h2>{_table({**answers[0].fingerprints, **hashes})}"
        f'<p class="id">Run {html.escape(run.id)}</p></section>'
    )


def _png_uri(run: Run) -> str:
    out = io.BytesIO()
    write_with_boxes(run.picture, boxes_of_run(run), out)
    return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"


def _table(facts: Mapping[str, Any]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{html.escape(name.replace("_", " "))}</th>'
        f"<td>{html.escape(_words(value))}</td></tr>"
        for name, value in facts.items()
    )
    return f"<table>{rows}</table>"


def _words(value: object) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
