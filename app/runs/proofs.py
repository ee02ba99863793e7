"""A test of an answer as plain JSON values, and back: whatever its result holds, pictures included."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Final, Literal

from PIL import Image
from pydantic import BaseModel, ConfigDict

from attribution.analysis.counterfactual import CounterfactualCheck
from attribution.data.images import read_image

TOP: Final = "top"
ITSELF: Final = "itself"
Kind = Literal["top", "itself"]  # what was unlearned: a ranking's first images, or the picture
PNG = "png"  # the one key of a picture among plain values


@dataclass(frozen=True)
class Proof:
    """A test of an answer that has ended.

    Attributes:
        part: the label of the part that was asked about.
        method: the name of the one whose first images were unlearned.
    """

    part: str
    method: str
    kind: Kind
    check: CounterfactualCheck

    @property
    def of(self) -> tuple[str, str, str]:
        """What it tests: of two tests of the same, the later one is kept."""
        return self.part, self.method, self.kind


class _Stored(BaseModel):
    # The lists of JSON are tuples of ours, and pictures are read before.
    model_config = ConfigDict(arbitrary_types_allowed=True)

    part: str
    method: str
    kind: Kind
    check: CounterfactualCheck


def with_proof(proofs: Iterable[Proof], proof: Proof) -> tuple[Proof, ...]:
    """Some proofs and another one, which comes last and in the place of an earlier one of the same."""
    return (*(each for each in proofs if each.of != proof.of), proof)


def proofs_to_json(proofs: Iterable[Proof]) -> list[Any]:
    """One a proof."""
    return [_plain(proof) for proof in proofs]


def proofs_of(data: Any) -> tuple[Proof, ...]:
    """The inverse of `proofs_to_json`.

    Raises:
        InputError, TypeError, ValueError: it is not what that gives.
    """
    found = [_Stored.model_validate(_with_pictures(each)) for each in data]
    return tuple(Proof(each.part, each.method, each.kind, each.check) for each in found)


def _plain(value: Any) -> Any:
    if isinstance(value, Image.Image):
        out = io.BytesIO()
        value.save(out, format="PNG")
        return {PNG: base64.b64encode(out.getvalue()).decode()}
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def _with_pictures(value: Any) -> Any:
    """Plain values with every picture read."""
    if isinstance(value, dict):
        if value.keys() == {PNG}:
            return read_image(base64.b64decode(value[PNG], validate=True))[0]
        return {key: _with_pictures(each) for key, each in value.items()}
    return [_with_pictures(each) for each in value] if isinstance(value, list) else value
