"""Would another seed give another Fisher information? Layer by layer, on all training images.

The stored one is compared with others of as many draws, spread and cut in the same way, of other seeds.
"""

from __future__ import annotations

import argparse
from collections.abc import Generator, Mapping
from functools import partial
from typing import Any

import numpy as np

from attribution.gradients.fisher import fisher_chunk
from attribution.gradients.stored import ALLOTMENT, FISHER
from attribution.workspace.baseline import training_inputs
from attribution.workspace.workspace import Workspace
from evaluation.markdown import table
from evaluation.reports import Report
from evaluation.studies import Kept

CHUNK, BATCH = 64, 128
WORDS = """\
{draws} draws of each of {images:,} training images. *Rests on* is the effective number of draws; *cut* \
the share of the layer's trace that single draws would have added beyond what one may. *Another seed* is \
the trace of another seed's Fisher information over the stored one's{seeds}.

"""


class Fisher:
    name = "fisher"
    description = "agreement of the Fisher information with that of other seeds, layer by layer"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--seeds", type=int, default=1, metavar="N", help="other seeds")

    def run(
        self, workspace: Workspace, options: Mapping[str, Any], kept: Kept
    ) -> Generator[str, None, Report]:
        manifest = workspace.artifact(FISHER).manifest
        stored = workspace.artifact(FISHER).tensors("fisher.safetensors")
        names, draws = sorted(stored), int(manifest["settings"]["draws"])
        first = int(manifest["settings"]["seed"])
        count = len(workspace.training_set)
        own = np.array([float(stored[name].double().sum()) for name in names])
        others = []
        for seed in range(first + 1, first + 1 + options["seeds"]):
            parts = []
            for start in range(0, count, CHUNK):
                rows = range(start, min(start + CHUNK, count))
                make = partial(_traces, workspace, rows, draws, seed, names)
                parts.append(kept.array(f"seed-{seed}-{start:06d}", make))
                yield f"seed {seed}: {rows.stop} of {count} images"
            others.append(np.sum(parts, axis=0) / (draws * count) / own)
        measured = manifest["measured"]
        ratios = {name: [float(each[k]) for each in others] for k, name in enumerate(names)}
        rows_of_table = [
            (
                f"`{name.removesuffix('.weight')}`",
                f"{measured['effective_draws'][name]:,.0f}",
                f"{measured['cut_shares'][name]:.1%}",
                ", ".join(f"{ratio:.3f}" for ratio in ratios[name]),
            )
            for name in names
        ]
        seeds = f" ({options['seeds']} seeds)" if options["seeds"] > 1 else ""
        text = WORDS.format(draws=draws, images=count, seeds=seeds)
        header = ("layer", "rests on", "cut", "another seed")
        return Report({"ratios": ratios, **measured}, text + table(header, rows_of_table))


STUDIES = (Fisher(),)


def _traces(workspace: Workspace, rows: range, draws: int, seed: int, names: list[str]) -> np.ndarray:
    """The sums of some images' traces, in each layer."""
    given, spread = training_inputs(workspace, rows), workspace.load(ALLOTMENT)
    sums = fisher_chunk(workspace.model, *given, draws, seed, BATCH, spread)
    return np.array([float(sums.values[name].sum()) for name in names])
