"""Tune a head on an encoder: `python -m precompute heads`.

What it learns from is a folder of pictures with `metadata.jsonl`, a line for each: its `file_name`, its
`role` (an `exemplar` of a concept, `made` by a model that was customised on that concept, or any `other`
training image) and its `concept`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy import ndarray
from safetensors.torch import save_file

from attribution.data.files import folder_whole
from attribution.data.images import read_image
from attribution.encoders.base import encoder_reader
from attribution.encoders.tuned import DESCRIPTION, READ, SUFFIX, WEIGHTS, Head, HeadDescription
from attribution.encoders.tuning import FIRST, Lessons, measured, recall_as_it_is, tuned
from attribution.encoders.whitening import Whitening, fit_whitening
from attribution.errors import SettingsError, TrainingSetError
from cli.parser import add_batch_size

METADATA = "metadata.jsonl"
EXEMPLAR, MADE, OTHER = "exemplar", "made", "other"
FEWEST = 3  # concepts: one is left out at a time


def add_flags(sub: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    sub.add_argument("encoder", choices=READ, help="whose vectors it reads")
    words = "its checkpoint, a folder or hub id"
    sub.add_argument("--checkpoint", required=True, metavar="FOLDER_OR_HUB_ID", help=words)
    words = f"pictures that customised models made, and their exemplars, told apart by {METADATA}"
    sub.add_argument("--pairs", required=True, type=Path, metavar="DIR", help=words)
    sub.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="a new folder")
    sub.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    add_batch_size(sub, 64)


def tune(options: argparse.Namespace) -> int:
    """Tune a head and write it, whole or not at all."""
    if options.out.exists():
        raise SettingsError(f"{options.out} is there already: choose another --out")
    rows = read_rows(options.pairs)
    encoder = encoder_reader(options.encoder).open(options.checkpoint, options.device)
    names = [options.pairs / row["file_name"] for row in rows]
    parts = [
        encoder.images([read_image(name)[0] for name in names[start : start + options.batch_size]])
        for start in range(0, len(names), options.batch_size)
    ]
    vectors = np.concatenate(parts).astype(np.float32)
    head, temperature, figures = learnt(vectors, rows)
    compared = _whitening(vectors, rows)(vectors) if encoder_reader(options.encoder).whitened else vectors
    figures["recall_untuned"] = recall_as_it_is(lessons_of(compared.astype(np.float32), rows))
    described = HeadDescription(
        encoder=options.encoder,
        checkpoint=_seen(options.checkpoint, options.out),
        fingerprint=encoder.fingerprint,
        temperature=temperature,
        measured=figures,
    )
    _write(options.out, head, described)
    print(_told(options.encoder, options.out, figures), file=sys.stderr)
    return 0


def _told(encoder: str, out: Path, figures: Mapping[str, Any]) -> str:
    flag = f"--{encoder}{SUFFIX} {out}"
    return (
        f"{out}: of concepts left out in turn it finds {figures['recall']:.3f} of the exemplars among "
        f"the first {FIRST}, {encoder.upper()} alone {figures['recall_untuned']:.3f}; give it to a "
        f"workspace with `python -m precompute embeddings {flag} --workspace DIR`"
    )


def read_rows(folder: Path) -> list[Mapping[str, Any]]:
    """Return the lines of a folder's metadata.

    Raises:
        TrainingSetError: it is not there, a line is not what it should be, or concepts are too few.
    """
    path = folder / METADATA
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as problem:
        raise TrainingSetError(f"{path} cannot be read: {' '.join(str(problem).split())}") from problem
    for number, row in enumerate(rows, 1):
        role = row.get("role") if isinstance(row, dict) else None
        if role not in (EXEMPLAR, MADE, OTHER) or not isinstance(row.get("file_name"), str):
            raise TrainingSetError(
                f"{path}, line {number}: give `file_name`, and as `role` exemplar, made or other"
            )
        if role != OTHER and not isinstance(row.get("concept"), str):
            raise TrainingSetError(f"{path}, line {number}: say of which `concept` it is")
    of_role = {role: {row["concept"] for row in rows if row["role"] == role} for role in (EXEMPLAR, MADE)}
    if len(of_role[EXEMPLAR] & of_role[MADE]) < FEWEST:
        raise TrainingSetError(
            f"{path} has fewer than {FEWEST} concepts with exemplars and pictures made of them"
        )
    return rows


def learnt(
    vectors: Float32[ndarray, "n d"], rows: Sequence[Mapping[str, Any]]
) -> tuple[Head, float, dict[str, Any]]:
    """Return a head, the temperature of its shares, and what was measured of concepts left out.

    Args:
        vectors: of length 1, a row's each.
    """
    whitening = _whitening(vectors, rows)
    lessons = lessons_of(whitening(vectors).astype(np.float32), rows)
    temperature, figures = measured(lessons)
    matrix = tuned(lessons).double() @ (whitening.basis.double() / whitening.deviations.double()).T
    return Head(whitening.mean, matrix.half()), temperature, figures


def lessons_of(told: Float32[ndarray, "n d"], rows: Sequence[Mapping[str, Any]]) -> Lessons:
    """Return what a head is taught from, of vectors as they are compared."""
    concepts = sorted({row["concept"] for row in rows if row["role"] != OTHER})
    of_role = {role: np.array([row["role"] == role for row in rows]) for role in (MADE, EXEMPLAR, OTHER)}
    number = np.array([concepts.index(row["concept"]) if row["role"] != OTHER else -1 for row in rows])
    return Lessons(
        told[of_role[MADE]], told[of_role[EXEMPLAR]], told[of_role[OTHER]],
        number[of_role[MADE]], number[of_role[EXEMPLAR]],
    )  # fmt: skip


def _whitening(vectors: Float32[ndarray, "n d"], rows: Sequence[Mapping[str, Any]]) -> Whitening:
    others = np.array([row["role"] == OTHER for row in rows])
    return fit_whitening(vectors[others] if others.any() else vectors)


def _seen(checkpoint: str, out: Path) -> str:
    """A checkpoint's folder as seen from the head's; a hub id as it is."""
    if not Path(checkpoint).exists():
        return checkpoint
    return Path(os.path.relpath(Path(checkpoint).resolve(), out.resolve())).as_posix()


def _write(out: Path, head: Head, described: HeadDescription) -> None:
    with folder_whole(out) as part:
        save_file(head.tensors(), part / WEIGHTS)
        text = described.model_dump_json(indent=1) + "\n"
        (part / DESCRIPTION).write_text(text, encoding="utf-8")
