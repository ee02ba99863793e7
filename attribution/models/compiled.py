"""A denoiser compiled by OpenVINO for passes without gradient, on a CPU.

What its selected layers make of captions (`Projections`) is an input of the compiled graph, beside noisy
latents and times: one graph serves any weights of those layers. It computes in single precision. Its shapes
are fixed, a few draws at a time, which a CPU runs 1.4 times as fast as with the number of draws left open;
and as every draw takes the same instructions, its result is the same to the bit in whatever batch it comes.
"""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor, nn

from attribution.models.compiled_files import CompiledFile
from attribution.models.engine_setting import OPENVINO, engine_version
from attribution.models.folded_upsampling import fold_upsampling
from attribution.models.layer_calls import Projections
from attribution.models.skeletons import Place, Skeletons

DEVICE = "CPU"
MOST_DRAWS = 16  # of one inference; more are no faster, and the last one of a batch is filled up
CELLS = 4096  # of latents in one inference, so that large ones do not outgrow the caches
WAITING = 2  # inferences for each stream, one running and one ready


@dataclass(frozen=True, eq=False)
class Pass:
    """What a denoiser is given of some draws.

    Attributes:
        times: as the denoiser is told them.
        tokens: of each draw's caption.
        projections: what the selected layers make of them.
    """

    noisy: Float[Tensor, "n c h w"]
    times: Int[Tensor, " n"] | Float[Tensor, " n"]
    tokens: Float[Tensor, "n tokens d"]
    projections: Projections

    def shapes(self) -> tuple[object, ...]:
        """What a compiled graph is bound to, the number of draws aside."""
        return (
            tuple(self.noisy.shape[1:]),
            str(self.times.dtype),
            tuple(self.tokens.shape[1:]),
            tuple((name, tuple(output.shape[1:])) for name, output in self.projections.distinct.items()),
        )


def rows_for(noisy: Float[Tensor, "n c h w"]) -> int:
    """How many draws one inference takes."""
    height, width = noisy.shape[2:]
    return max(1, min(MOST_DRAWS, CELLS // (height * width)))


class CompiledDenoiser:
    """Threads may share it.

    Args:
        compiled: the graph, with its number of draws.
    """

    def __init__(self, compiled: Any, rows: int, shapes: tuple[object, ...]):
        self._compiled, self.rows, self.shapes = compiled, rows, shapes
        self._jobs = WAITING * int(compiled.get_property("NUM_STREAMS"))
        self._idle: list[Any] = []  # queues, which no two callers may use at once

    def __call__(self, given: Pass) -> Float[Tensor, "n c h w"]:
        """What the denoiser predicts."""
        prediction = np.empty(tuple(given.noisy.shape), np.float32)
        try:
            queue = self._idle.pop()
        except IndexError:
            queue = _openvino().AsyncInferQueue(self._compiled, self._jobs)
            queue.set_callback(_take)
        held = []  # what an inference reads is not copied
        try:
            for start in range(0, len(prediction), self.rows):
                rows = slice(start, start + self.rows)
                held.append(self._inputs(given, rows))
                queue.start_async(held[-1], prediction[rows], share_inputs=True)
        finally:
            queue.wait_all()
        self._idle.append(queue)
        return torch.from_numpy(prediction)

    def _inputs(self, given: Pass, rows: slice) -> dict[int, ndarray]:
        """Some draws, filled up with the first of them to as many as the graph takes."""
        count = len(given.noisy[rows])
        which = torch.arange(rows.start, rows.start + self.rows)
        which[count:] = rows.start
        captions = given.projections.run[which]
        tensors = [each[which] for each in (given.noisy, given.times, given.tokens)]
        tensors += [output[captions] for output in given.projections.distinct.values()]
        return {number: tensor.contiguous().numpy() for number, tensor in enumerate(tensors)}


def _take(request: Any, where: Float[ndarray, "n c h w"]) -> None:
    """Called as each inference ends: its result, without what was filled up."""
    where[:] = request.get_output_tensor().data[: len(where)]


def compiled(denoiser: nn.Module, skeletons: Skeletons, example: Pass) -> CompiledDenoiser:
    """Compile a denoiser, or read what was compiled of it before.

    Args:
        denoiser: as it was loaded.
        skeletons: of it, with places for the selected layers.
        example: as many draws as one inference takes.

    Raises:
        Exception: whatever the tracer or the compiler says of what it does not know.
    """
    core, rows, shapes = _openvino().Core(), len(example.noisy), example.shapes()
    threads = torch.get_num_threads()
    config = {
        "INFERENCE_PRECISION_HINT": "f32",  # the default is bfloat16 where a CPU has it
        "NUM_STREAMS": threads,  # of one thread each: two of them scan faster than one of two threads
        "INFERENCE_NUM_THREADS": threads,
        "ENABLE_CPU_PINNING": False,  # other processes would be pinned to the same cores
    }
    machine = [core.get_property(DEVICE, "FULL_DEVICE_NAME"), engine_version(OPENVINO)]
    file = CompiledFile.of(denoiser, [*machine, rows, shapes])
    stored = file.read()
    if stored is not None:
        try:
            return CompiledDenoiser(core.import_model(stored, DEVICE, config), rows, shapes)
        except RuntimeError:
            pass  # of a build that differs without another version: compiled again
    found = core.compile_model(_graph(skeletons, example), DEVICE, config)
    exported = io.BytesIO()
    found.export_model(exported)
    file.write(exported.getvalue())
    return CompiledDenoiser(found, rows, shapes)


class _Given:
    """A layer's output, of which no gradient is wanted."""

    def __init__(self, output: Tensor):
        self.inputs: list[Tensor] = []
        self.outputs = [output]

    def __call__(self, inputs: Tensor) -> Tensor:
        return self.outputs[0]


class WithProjections(nn.Module):
    """A denoiser as a function of what its selected layers give, too."""

    def __init__(self, denoiser: nn.Module, places: Mapping[str, Place]):
        super().__init__()
        self.denoiser = denoiser
        self._places = tuple(places.values())

    def forward(self, noisy: Tensor, times: Tensor, tokens: Tensor, *outputs: Tensor) -> Tensor:
        for place, output in zip(self._places, outputs, strict=True):
            place.call = _Given(output)
        prediction: Tensor = self.denoiser(noisy, times, encoder_hidden_states=tokens).sample
        return prediction


def _graph(skeletons: Skeletons, example: Pass) -> Any:
    """The denoiser as a graph of fixed shapes."""
    denoiser, places = skeletons.new()
    fold_upsampling(denoiser)
    outputs = [example.projections.distinct[name][example.projections.run] for name in places]
    inputs = [example.noisy, example.times, example.tokens, *outputs]
    with torch.no_grad(), warnings.catch_warnings():
        # That it is deprecated, and that shapes are taken as constants, as they are meant to be. What takes
        # its place (`torch.export`) makes a graph that is slower by 7%.
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(WithProjections(denoiser, places).eval(), inputs, check_trace=False)
    return _converted(traced, inputs)


def _converted(traced: Any, inputs: Sequence[Tensor]) -> Any:
    """A trace => OpenVINO's own form. Its front end needs the decoder for as long as it works."""
    openvino = _openvino()
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    decoder = TorchScriptPythonDecoder(traced)
    frontend = openvino.frontend.FrontEndManager().load_by_framework("pytorch")
    read = frontend.load(decoder)
    graph = frontend.convert(read)
    shapes = {number: openvino.PartialShape(list(each.shape)) for number, each in enumerate(inputs)}
    graph.reshape(shapes)
    return graph


def _openvino() -> Any:
    """The library, imported when it is first wanted, without its telemetry: nothing calls out."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino
