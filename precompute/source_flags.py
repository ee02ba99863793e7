"""The flags that say of which model and which training set a workspace is, and what was given by them."""

from __future__ import annotations

import argparse
import re

from attribution.data import columns
from attribution.data.preprocessing import CENTER, CROPS, FLIPS, LARGER_SIDE, MEAN_OF_SIDES, NO_FLIPS
from attribution.data.several import named_sources
from attribution.encoders.base import encoder_readers
from attribution.models.layers import CROSS_ATTENTION_KV, SELECTORS
from attribution.models.precision import PRECISIONS
from cli.parser import positive_count
from precompute.binding import Sources


def add_sources(sub: argparse.ArgumentParser) -> None:
    """The flags of a model and a training set."""
    sub.add_argument("--model", help="diffusers pipeline folder or hub id")
    sub.add_argument(
        "--adapter",
        action="append",
        metavar="FOLDER_OR_FILE",
        help="what is put into the model: a LoRA, weights and tokens of Custom Diffusion, a textual "
        "inversion; may be repeated; none takes them away",
    )
    add_training_set(sub)
    sub.add_argument(
        "--timesteps", type=positive_count, help="of the probe; must divide the model's (default 10)"
    )
    sub.add_argument("--noises", type=positive_count, help="of the probe, at each timestep (default 2)")
    sub.add_argument("--pool", type=positive_count, help="noises whose losses are precomputed (default 6)")
    sub.add_argument("--seed", type=int, help="of the probe's noise (default 0)")
    sub.add_argument(
        "--layers",
        metavar="NAME",
        help=f"what is unlearned, of {', '.join(SELECTORS)} (default: {CROSS_ATTENTION_KV}, or what stands "
        "for it in the model)",
    )
    sub.add_argument(
        "--precision",
        choices=tuple(PRECISIONS),
        help="that the denoiser computes in (default fp32); half takes half the memory and rounds scores",
    )
    sub.add_argument(
        "--loss-weight",
        metavar="NAME",
        help="of each draw's loss in training: none, epsilon, min-snr:GAMMA, p2:GAMMA or table:FILE "
        "(default: what the pipeline says, else none)",
    )
    sub.add_argument(
        "--checkpoint",
        action="append",
        default=[],
        type=named_folder,
        metavar="NAME=FOLDER",
        help="further weights of the model (a pipeline folder, or one with just a U-Net), over which TRAK "
        "and its kin are averaged; may be repeated; NAME=none takes one away",
    )


def add_training_set(sub: argparse.ArgumentParser) -> None:
    """The flags of a training set."""
    sub.add_argument(
        "--dataset",
        action="append",
        metavar="DIR",
        help="folder of pictures with a metadata.jsonl, .csv or .parquet, COCO's captions, or .txt files; "
        "a .jsonl or .csv of this form itself, which may name some pictures of its folder; or shards that "
        "hold the pictures: .tar, Parquet, a datasets folder. Several training sets are one where it is "
        "repeated, each called by its folder's name, or as in NAME=DIR",
    )
    sub.add_argument(
        "--image-column",
        metavar="NAME",
        help="of the metadata: the pictures' files (default file_name; of a table that holds them, image)",
    )
    sub.add_argument(
        "--caption-column",
        metavar="NAME",
        help="of the metadata: their captions (default text, else caption or prompt)",
    )
    sub.add_argument(
        "--captions",
        choices=(columns.FIRST, columns.EACH, columns.MEAN),
        help="of a picture with several: the first alone, each as a training image of its own, or the "
        "mean of its loss over all",
    )
    sub.add_argument(
        "--crop",
        metavar="NAME",
        help=f"how training made pictures square: {', '.join(CROPS)} (default {CENTER})",
    )
    sub.add_argument(
        "--flips",
        nargs="?",
        const=MEAN_OF_SIDES,
        choices=tuple(FLIPS),
        help="training showed mirror images too: a training image is measured on both sides, and its score "
        f"is their mean ({MEAN_OF_SIDES}, if nothing is said) or the larger one ({LARGER_SIDE}); "
        f"{NO_FLIPS} takes it back",
    )


def named_folder(words: str) -> tuple[str, str]:
    """NAME=FOLDER, apart."""
    name, _, folder = words.partition("=")
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", name) or not folder:
        raise argparse.ArgumentTypeError(
            f"{words!r}: write NAME=FOLDER, the name of letters, digits, dots, dashes and underscores"
        )
    return name, folder


def sources_of(options: argparse.Namespace) -> Sources:
    """What was given."""
    return Sources(
        options.model,
        None if options.dataset is None else named_sources(options.dataset),
        encoders_of(options),
        options.timesteps,
        options.noises,
        options.seed,
        options.pool,
        options.layers,
        options.loss_weight,
        dict(options.checkpoint),
        options.image_column,
        options.caption_column,
        options.captions,
        options.adapter,
        options.crop,
        options.flips,
        options.precision,
    )


def encoders_of(options: argparse.Namespace) -> dict[str, str]:
    """Checkpoints of encoders, by name, as given."""
    given = {name: getattr(options, name, None) for name in encoder_readers()}
    return {name: source for name, source in given.items() if source is not None}
