"""Which training images did a picture come from? The same as the page, from the command line.

    python -m attribution PICTURE.png --caption "a dog on the beach" --box 0 0.2 0.5 1 --method abu clip
    python -m attribution --prompt "a dog on the beach" --seed 3 --json answer.json

Exit status: 0 done, 2 bad input (one line says what), 130 interrupted.
"""

from __future__ import annotations

import argparse
import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cli.environment import prepare

prepare(__name__)

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from attribution.data.files import write_whole
from attribution.data.images import read_image, write_png
from attribution.engine import attribute, check_askable
from attribution.errors import CaptionError, ImageError, SettingsError
from attribution.methods.base import (
    DEFAULT,
    by_family,
    could_be_asked,
    method,
    methods,
    told_options,
    usual_methods,
)
from attribution.methods.finding import finding_of, summary
from attribution.models.base import Generation
from attribution.models.offload import ask_to_offload
from attribution.models.quiet import quiet_libraries
from attribution.query import EFFORTS, Box, Query, Settings
from attribution.results import SHARES, Attribution, Progress, Ranking
from attribution.serialization import to_json
from attribution.workspace.executors.base import Asked, opened_helpers
from attribution.workspace.workspace import Workspace
from cli.commands import EMBEDDED, program_name
from cli.parser import Parser, add_batch_size, add_executor_flags, add_offload, positive_count
from cli.status import OUT_OF_MEMORY, exit_status, exit_with

SHOWN = 10  # lines of a table
DEFAULT_METHODS = (DEFAULT, "d-trak", "clip", "dino", "pixel", "random")


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    top = Parser(prog=program_name("attribution"), description=__doc__.splitlines()[0])
    _add_query(top)
    _add_settings(top)
    top.add_argument(
        "--json", type=Path, metavar="OUT.json", help="write the answer; - for standard output"
    )
    _add_generation(top)
    return top


def _add_query(top: argparse.ArgumentParser) -> None:
    top.add_argument("image", nargs="?", metavar="IMAGE", help="PNG, JPEG or WEBP file")
    top.add_argument("--caption", help="what the picture was made from; our own PNGs carry theirs")
    top.add_argument("--prompt", help="generate a picture instead, then attribute it")
    top.add_argument(
        "--workspace", type=Path, default=EMBEDDED, metavar="DIR", help="default: the embedded world"
    )
    top.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    add_offload(top)
    top.add_argument(
        "--box",
        nargs=4,
        type=float,
        metavar=("X0", "Y0", "X1", "Y1"),
        help="the part asked about, in fractions of the picture; default: all of it",
    )


def _add_settings(top: argparse.ArgumentParser) -> None:
    standard = Settings()
    top.add_argument(
        "--method",
        nargs="+",
        metavar="NAME",
        help=f"{_families()} (default: {' '.join(DEFAULT_METHODS)}, those that the workspace has encoders "
        "for)",
    )
    top.add_argument(
        "--top-k", type=positive_count, metavar="K", help="images shown and written (default 10 and all)"
    )
    top.add_argument("--effort", choices=EFFORTS, default=standard.effort, help="default: %(default)s")
    top.add_argument(
        "--candidates",
        metavar="N|FILE",
        help="every method ranks the same N random training images, or those named in a file, one a line",
    )
    top.add_argument(
        "--seed", type=int, default=standard.seed, help="of the picture and every draw (default 0)"
    )
    add_batch_size(top, standard.batch_size)
    add_executor_flags(top, "what is measured of every candidate")
    top.add_argument("--alpha", type=float, help="a fixed unlearning step, undamped, as in the paper")
    top.add_argument(
        "--option",
        nargs="+",
        metavar="METHOD.NAME=VALUE",
        default=[],
        help="options of single methods, such as abu.damping=0.05 (attribution/methods/ says which)",
    )


def _families() -> str:
    """The methods, family by family."""
    families = by_family(methods().values())
    return "; ".join(f"{each.title}: {', '.join(m.name for m in of)}" for each, of in families.items())


def _add_generation(top: argparse.ArgumentParser) -> None:
    standard = Generation("any")
    top.add_argument(
        "--steps", type=int, default=standard.steps, help="with --prompt (default %(default)s)"
    )
    top.add_argument(
        "--guidance", type=float, default=standard.guidance, help="with --prompt (default %(default)s)"
    )
    top.add_argument("--negative-prompt", default=standard.negative_prompt, help="with --prompt")
    top.add_argument("--save-image", type=Path, metavar="OUT.png", help="with --prompt: keep the picture")


def main(arguments: list[str] | None = None) -> int:
    """Answer one query; returns the exit status."""
    options = parser().parse_args(arguments)
    quiet_libraries()
    return exit_status(lambda: _answer(options), out_of_memory=OUT_OF_MEMORY)


def _answer(options: argparse.Namespace) -> None:
    """Everything a person can get wrong is found before anything slow is begun."""
    for name in options.method or ():
        method(name)
    if (options.image is None) == (options.prompt is None):
        raise ImageError('give either IMAGE with --caption "..." or --prompt "...", and not both')
    if options.prompt is None and options.save_image is not None:
        raise SettingsError("--save-image keeps a generated picture: it goes with --prompt")
    if options.prompt is not None and options.caption is not None:
        raise CaptionError("--caption goes with IMAGE: the caption of a generated picture is its prompt")
    settings = _settings(options)
    box = Box(*options.box) if options.box else None
    for path in (options.json, options.save_image):
        if path is not None and not path.parent.is_dir():
            raise SettingsError(f"there is no folder {path.parent} to write {path.name} into")
        if path is not None and path.is_dir():
            raise SettingsError(f"{path} is a folder: name the file to write")
    asked = Asked(options.workers, options.address, options.gpus_per_task)
    helpers = opened_helpers(options.executor, asked, options.device, settings.measures_all)
    given = _given(options, box) if options.prompt is None else None
    generation = None if options.prompt is None else _generation(options)
    if options.offload:
        ask_to_offload(options.device, options.offload)
    workspace = Workspace.open(options.workspace, options.device)
    names = options.method or usual_methods(DEFAULT_METHODS, could_be_asked(workspace))
    check_askable(workspace, names, settings)
    if generation is not None:
        given = _generated(workspace, generation, box, options.save_image)
    assert given is not None, "there is an image or a prompt"
    with helpers as workspace.executor:
        _give(_attributed(workspace, given, names, settings), options)


def _give(answer: Attribution, options: argparse.Namespace) -> None:
    """Tables for a person, JSON for a program."""
    to_stdout = options.json is not None and str(options.json) == "-"
    if not to_stdout:
        _print(answer, options.top_k)
    if options.json is not None:
        written = {"summary": summary(answer.rankings), **to_json(answer, options.top_k)}
        text = json.dumps(written, indent=2, ensure_ascii=False, allow_nan=False)
        if to_stdout:
            print(text)
        else:
            write_whole(options.json, f"{text}\n".encode())


def _settings(options: argparse.Namespace) -> Settings:
    return Settings(
        seed=options.seed,
        effort=options.effort,
        candidates=_candidates(options.candidates),
        batch_size=options.batch_size,
        options=told_options(options.option, options.alpha),
    )


def _candidates(given: str | None) -> int | tuple[str, ...] | None:
    """A number, or the lines of a file."""
    if given is None:
        return None
    if re.fullmatch(r"-?\d+", given):
        with suppress(ValueError):  # of more digits than are read
            return int(given)
    try:
        lines = Path(given).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise SettingsError(
            f"--candidates {given!r} is neither a number nor a readable text file"
        ) from None
    names = tuple(line.strip() for line in lines if line.strip())
    if not names:
        raise SettingsError(f"--candidates {given!r} names no training image")
    return names


def _given(options: argparse.Namespace, box: Box | None) -> Query:
    """The query of an uploaded picture; our own PNG brings its caption with it."""
    image, made_with = read_image(options.image)
    caption = made_with.get("prompt", "") if options.caption is None else options.caption
    if not caption.strip():
        raise CaptionError(
            f"{options.image} needs its caption (only PNGs made here carry theirs): give --caption "
            '"what it shows"'
        )
    return Query(image, caption, box)


def _generation(options: argparse.Namespace) -> Generation:
    return Generation(
        options.prompt, options.seed, options.steps, options.guidance, options.negative_prompt
    )


def _generated(workspace: Workspace, generation: Generation, box: Box | None, save: Path | None) -> Query:
    image = None
    with _bars() as bars:
        task = bars.add_task("generating", total=generation.steps)
        for step in workspace.model.generate(generation):
            bars.update(task, completed=step.done)
            image = step.image
    assert image is not None, "the last step brings the picture"
    if save is not None:
        made_with = {**asdict(generation), "model": workspace.fingerprints["model"]}
        png = io.BytesIO()
        write_png(image, png, made_with)
        write_whole(save, png.getvalue())
    return Query(image, generation.prompt, box, generation)


def _attributed(workspace: Workspace, query: Query, names: list[str], settings: Settings) -> Attribution:
    answer = None
    with _bars() as bars:
        tasks: dict[tuple[str, str], Any] = {}
        for event in attribute(workspace, query, names, settings):
            if isinstance(event, Progress):
                key = (event.method, event.stage)
                if key not in tasks:
                    for old in tasks.values():
                        bars.remove_task(old)
                    tasks = {key: bars.add_task(f"{event.method}: {event.stage}", total=event.total)}
                bars.update(tasks[key], completed=event.done, total=event.total)
            elif isinstance(event, Attribution):
                answer = event
    assert answer is not None, "the last event is the answer"
    return answer


@contextmanager
def _bars() -> Iterator[Bars]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Bars(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        yield bars


def _print(answer: Attribution, top_k: int | None) -> None:
    console = Console()
    if (found := finding_of(answer.rankings)) is not None:
        console.print(Text(found.sentence, style="bold"))
    for ranking in answer.rankings.values():
        console.print(_table(ranking, top_k))
        for warning in ranking.warnings:
            console.print(Text(f"warning: {warning}", style="yellow"))
    problems = [f"{method(name).title} has no answer: {words}" for name, words in answer.problems.items()]
    for words in (*problems, *(f"warning: {warning}" for warning in answer.warnings)):
        console.print(Text(words, style="yellow"))


def _table(ranking: Ranking, top_k: int | None) -> Table:
    title = f"{ranking.title}: {ranking.candidates}, {ranking.seconds:.1f} s"
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("rank", justify="right")
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column("id", no_wrap=True)
    judged = len(ranking) > 0 and ranking.standing_out is not None
    if judged:
        table.add_column("z", justify="right", no_wrap=True)
    table.add_column("caption")
    for entry in ranking.entries[: top_k or SHOWN]:
        error = "" if entry.stderr is None else f" ± {entry.stderr:.1g}"
        score = f"{entry.score:.3%}" if SHARES in ranking.details else f"{entry.score:.4g}{error}"
        verdict = [f"{entry.z:.1f}{' *' if ranking.stands_out(entry) else ''}"] if judged else []
        table.add_row(str(entry.rank), score, Text(entry.id), *verdict, Text(entry.caption))
    return table


if __name__ == "__main__":
    exit_with(main)
