"""Stable Diffusion 1.5 and SDXL as large as they are, from a folder to an answer.

    python -m benchmarks true-shapes --family sd15 sdxl --docs docs

Weights are random: what is shown is that every stage runs and what it takes, not that the answer is good.
Each stage is the command that a person would give, in a process of its own, whose seconds and peak of
memory, of a GPU's too, are measured from outside. Pictures, draws and timesteps are as few as the commands
allow.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
from PIL import Image

from attribution.data.files import cache_root
from attribution.errors import WhenceError
from attribution.rng import generator
from benchmarks.memory import resident
from benchmarks.reports import Report, machine, small_print
from evaluation.markdown import table

GLANCE = 0.1  # seconds from one look at a process's memory to the next
GLANCES = 5  # of which one looks at the GPU's too: it takes a program
CAPTIONS = ("a red bar", "a street in the rain", "a cat on a table", "two boats on the sea")
WORDS = """\
By the commands as they stand, each in a process of its own, with **random weights**; one draw at a time, \
the fewest timesteps and draws. Seconds have opening the model in them; memory is the most that was \
resident, files mapped into memory among it, and of a GPU what its driver says the process \
holds. Measured once, on machines that did more besides.

"""


@dataclass(frozen=True)
class Family:
    """What is run of one family.

    Attributes:
        model: its name in `benchmarks.random_models`.
        side: of a picture, in pixels.
        pictures: of the training set.
        timesteps: of the probe.
        precision: of the denoiser.
    """

    model: str
    side: int
    pictures: int
    timesteps: int
    precision: str


FAMILIES = {"sd15": Family("SD 1.5", 512, 3, 1, "fp32"), "sdxl": Family("SDXL", 1024, 2, 1, "bf16")}
MINIATURES = {
    "sd15": Family("SD 1.5 in miniature", 16, 3, 1, "fp32"),
    "sdxl": Family("SDXL in miniature", 16, 2, 1, "bf16"),
}


@dataclass(frozen=True)
class Stage:
    """What one command took. `peak`: bytes of resident memory; `on_gpu`: of its GPU's."""

    name: str
    seconds: float
    peak: int
    on_gpu: int = 0


class TrueShapes:
    name = "true-shapes"
    description = "SD 1.5 and SDXL of random weights from a folder to an answer"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--family", nargs="+", choices=FAMILIES, default=["sd15"])
        parser.add_argument("--side", type=int, metavar="PIXELS", help="default 512, of sdxl 1024")
        parser.add_argument("--tiny", action="store_true", help="miniatures, to try the command itself")
        parser.add_argument("--cache", type=Path, default=cache_root() / "true-shapes", metavar="DIR")

    def run(self, options: argparse.Namespace) -> Report:
        """Run the families that are asked for; the report has those of earlier runs too."""
        for name in options.family:
            family = (MINIATURES if options.tiny else FAMILIES)[name]
            if options.side is not None:
                family = Family(**asdict(family) | {"side": options.side})
            known = name if options.device == "cpu" else f"{name}-on-gpu"
            _measure(family, options.cache, options.cache / f"{known}.json", options.device)
        found = {
            known: json.loads(path.read_text(encoding="utf-8"))
            for name in FAMILIES
            for known in (name, f"{name}-on-gpu")
            if (path := options.cache / f"{known}.json").is_file()
        }
        return Report({"families": found}, _words(found), document="MODELS.md")


BENCHMARKS = (TrueShapes(),)


def _measure(family: Family, cache: Path, out: Path, device: str) -> None:
    """Run all stages of a family, and write down what is known after each."""
    folder = cache / f"{family.model} at {family.side}"
    model = folder / "model"
    if not (model / "model_index.json").is_file():
        make = ("benchmarks.random_models", family.model, "--side", str(family.side), "--out", str(model))
        _run_stage("the pipeline's folder", make)
    facts = machine(device)
    del facts["engine"]  # the one that is asked for, of which such a model is too large on a CPU
    figures: dict[str, Any] = {"family": asdict(family), "machine": facts, "stages": []}
    workspace = folder / f"workspace-{out.stem}"
    commands = list(_commands(family, model, _write_pictures(family, folder), workspace, device))
    if out.is_file():
        before = json.loads(out.read_text(encoding="utf-8"))
        if {**before, "stages": []} == figures and len(before["stages"]) < len(commands):
            figures = before  # a run that was cut goes on
    for name, command in commands[len(figures["stages"]) :]:
        stage = _run_stage(name, command)
        print(f"{family.model}: {name} {_taken(asdict(stage))}", flush=True)
        figures["stages"].append(asdict(stage))
        out.write_text(json.dumps(figures, indent=2), encoding="utf-8")


def _write_pictures(family: Family, folder: Path) -> Path:
    """A training set of coloured noise, large cells, with captions."""
    pictures = folder / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(family.pictures):
        cells = generator(0, "true-shapes", str(number)).integers(0, 256, (8, 8, 3), np.uint8)
        whole = Image.fromarray(cells).resize((family.side, family.side), Image.Resampling.BICUBIC)
        whole.save(pictures / f"{number}.png")
        rows.append({"file_name": f"{number}.png", "text": CAPTIONS[number]})
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (pictures / "metadata.jsonl").write_text(lines, encoding="utf-8")
    return pictures


def _commands(
    family: Family, model: Path, pictures: Path, workspace: Path, device: str
) -> Iterator[tuple[str, Sequence[str]]]:
    """Every stage: its name and the command."""
    place = ("--workspace", str(workspace))
    one = (*place, "--batch-size", "1", "--device", device, "--remake")
    probe = ("--timesteps", str(family.timesteps), "--noises", "2", "--pool", "2")
    given = ("--model", str(model), "--dataset", str(pictures), "--precision", family.precision)
    yield "init", ("precompute", "init", *place, *given, *probe, "--clip", "none", "--dino", "none")
    yield "latents", ("precompute", "latents", *one)
    yield "losses", ("precompute", "losses", *one)
    yield "allotment, of one image", ("precompute", "allotment", *one, "--pilot", "1")
    yield "fisher, a draw of each", ("precompute", "fisher", *one, "--pilot", "1", "--draws", "1")
    few = ("--option", "abu.draws=2", "abu.calibration_draws=2", "--effort", "exhaustive")
    asked = (*place, "--batch-size", "1", "--device", device)
    query = (str(pictures / "0.png"), "--caption", CAPTIONS[-1], *asked)
    answer = ("--json", str(workspace.parent / "answer.json"))
    yield "a question (AbU)", ("attribution", *query, "--method", "abu", *few, *answer)


def _run_stage(name: str, command: Sequence[str]) -> Stage:
    """Run a module of ours with its arguments, and watch its memory.

    Raises:
        WhenceError: it failed; what it said is repeated.
    """
    began, peak, on_gpu, looks = time.perf_counter(), 0.0, 0, 0
    with TemporaryFile("w+", encoding="utf-8") as said:
        running = subprocess.Popen([sys.executable, "-m", *command], stdout=said, stderr=subprocess.STDOUT)
        try:
            while running.poll() is None:
                peak = max(peak, _peak(running.pid))
                if looks % GLANCES == 0:
                    on_gpu = max(on_gpu, _held_on_gpu(running.pid))
                looks += 1
                time.sleep(GLANCE)
        finally:
            running.kill()
            running.wait()
        seconds = time.perf_counter() - began
        if running.returncode:
            said.seek(0)
            raise WhenceError(f"{name} failed with status {running.returncode}: {said.read().strip()}")
    return Stage(name, seconds, int(peak * 2**20), on_gpu)


def _peak(process: int) -> float:
    """Megabytes that it had at most so far; 0 of one that has just ended and has no memory any more."""
    try:
        return resident(process)[1]
    except KeyError:
        return 0.0


def _held_on_gpu(process: int) -> int:
    """Bytes of a GPU's memory that a process holds, by its driver; 0 where there is none."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return 0
    asked = ("--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits")
    said = subprocess.run([program, *asked], capture_output=True, text=True, check=False).stdout
    lines = [line.split(", ") for line in said.splitlines()]
    return sum(int(line[1]) * 2**20 for line in lines if line[0] == str(process) and line[1].isdigit())


def _words(found: Mapping[str, Any]) -> str:
    """The report: a row for each stage, a column for each family."""
    stages = [{stage["name"]: stage for stage in each["stages"]} for each in found.values()]
    rows = [
        (name, *(_taken(own[name]) for own in stages))
        for name in stages[0]
        if all(name in own for own in stages)
    ]
    columns = (
        f"{of['model']}, {of['side']} pixels, {of['precision']}, {of['pictures']} images"
        + ("" if each["machine"]["device"] == "cpu" else f", {each['machine']['device']}")
        for each in found.values()
        for of in [each["family"]]
    )
    machines: list[Mapping[str, Any]] = []
    for each in found.values():
        if each["machine"] not in machines:
            machines.append(each["machine"])
    return WORDS + table(("stage", *columns), rows) + "\n" + "".join(small_print(each) for each in machines)


def _taken(stage: Mapping[str, Any]) -> str:
    on_gpu = stage.get("on_gpu", 0)
    words = f"{stage['seconds']:,.0f} s, {_gib(stage['peak'])}"
    return f"{words}, on the GPU {_gib(on_gpu)}" if on_gpu else words


def _gib(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"
