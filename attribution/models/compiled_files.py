"""Compiled denoisers on disk, so that the next process need not compile: a cache, which may be deleted.

A file is named by all that decides what is in it, so another model or version never meets it, and begins
with the hash of the rest, so that a broken one is known before anything reads it.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from attribution.data.files import cache_root

FORMAT = 1
KEPT = 4  # files; the oldest go
LIBRARIES = ("torch", "diffusers")  # whose code a graph is traced from


@dataclass(frozen=True)
class CompiledFile:
    """What was compiled of one denoiser, if anything."""

    path: Path

    @staticmethod
    def of(denoiser: nn.Module, further: Sequence[object]) -> CompiledFile:
        """The file of a denoiser.

        Args:
            further: what else decides what is compiled: compiler, machine, shapes.
        """
        versions = [importlib.metadata.version(name) for name in LIBRARIES]
        digest = hashlib.sha256(repr([FORMAT, versions, *further, _structure(denoiser)]).encode())
        for name, tensor in denoiser.state_dict().items():
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        return CompiledFile(cache_root() / "compiled" / f"{digest.hexdigest()}.bin")

    def read(self) -> bytes | None:
        """What was written, or None where there is nothing, or it is broken."""
        try:
            whole = self.path.read_bytes()
        except OSError:
            return None
        size = hashlib.sha256().digest_size
        return whole[size:] if hashlib.sha256(whole[size:]).digest() == whole[:size] else None

    def write(self, content: bytes) -> None:
        """Publish it whole or not at all; where that cannot be done, the next process compiles again."""
        part = self.path.with_suffix(f".{os.getpid()}-{threading.get_ident()}.part")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                part.write_bytes(hashlib.sha256(content).digest() + content)
                part.replace(self.path)
            finally:
                part.unlink(missing_ok=True)
            others = sorted(self.path.parent.glob("*.bin"), key=lambda path: path.stat().st_mtime)
            for old in others[:-KEPT]:
                old.unlink(missing_ok=True)
        except OSError:
            pass


def _structure(denoiser: Any) -> str:
    """What a denoiser is beside its weights."""
    config = {key: value for key, value in dict(denoiser.config).items() if not key.startswith("_")}
    return f"{type(denoiser).__qualname__} {json.dumps(config, sort_keys=True, default=str)}"
