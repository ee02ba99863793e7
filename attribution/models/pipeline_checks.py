"""What a pipeline folder is, from its configurations alone: what cannot be asked is refused by name.

Nothing here reads a weight, so that a person is told before a download or an hour of encoding. What lies
beside the pipeline's own parts is looked at in `attribution.models.adapter_files`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attribution.errors import ModelError

Config = Mapping[str, Any]
INDEX = "model_index"
PLACES = {INDEX: "model_index.json", "scheduler": "scheduler/scheduler_config.json"}
PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
# Classes whose files are those of `StableDiffusionPipeline`; they differ in how pictures are made.
ASKED = (
    "StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline", "StableDiffusionInpaintPipeline",
    "StableDiffusionPAGPipeline",
)  # fmt: skip
ONLY = "only Stable Diffusion 1 and 2 can be asked so far: give a pipeline of theirs"
FAMILIES = {  # beginnings of pipeline classes, the longer before the shorter
    "StableDiffusionXL": "a Stable Diffusion XL",
    "StableDiffusion3": "a Stable Diffusion 3",
    "StableDiffusionInstructPix2Pix": "an InstructPix2Pix",
    "StableDiffusion": "another Stable Diffusion",
    "LatentConsistencyModel": "a latent consistency (LCM)",
    "Flux": "a Flux",
    "PixArt": "a PixArt",
    "Kandinsky": "a Kandinsky",
    "IF": "a DeepFloyd IF",
    "DiT": "a class-conditional DiT",
    "LDMTextToImage": "a Latent Diffusion text-to-image",
    "LDM": "an unconditional latent diffusion",
    "DDPM": "an unconditional DDPM",
    "DDIM": "an unconditional DDIM",
}
EXTRA_CHANNELS = {5: "depth-to-image", 7: "upscaling", 8: "InstructPix2Pix", 9: "inpainting"}
# Further inputs of a U-Net, by the key of its configuration that asks for them.
INPUTS = {
    "time_cond_proj_dim": "a guidance embedding (LCM): give the model that it was distilled from",
    "class_embed_type": "class labels besides captions: give a model that is told captions alone",
    "num_class_embeds": "class labels besides captions: give a model that is told captions alone",
    "addition_embed_type": f"further embeddings, as Stable Diffusion XL is; {ONLY}",
    "encoder_hid_dim_type": "a picture or projected tokens besides the caption (IP-Adapter, Kandinsky): "
    "give the plain U-Net (pipeline.unload_ip_adapter(), then save_pretrained)",
}
LATENTS = {"AutoencoderKL", "AutoencoderTiny"}
SCHEDULES = (  # of a fixed table of betas, whatever each makes of it when it samples
    "DDIM", "DDIMParallel", "DDPM", "DDPMParallel", "DEISMultistep", "DPMSolverMultistep", "DPMSolverSDE",
    "DPMSolverSinglestep", "EulerAncestralDiscrete", "EulerDiscrete", "HeunDiscrete",
    "KDPM2AncestralDiscrete", "KDPM2Discrete", "LMSDiscrete", "PNDM", "SASolver", "UniPCMultistep",
)  # fmt: skip
OTHER_SCHEDULES = {  # how names of schedulers begin
    "EDM": "of a model that was trained on continuous noise levels",
    "FlowMatch": "of a model that was trained by flow matching",
    "LCM": "of a distilled model, which was trained by another loss",
    "TCD": "of a distilled model, which was trained by another loss",
}


def read_json(path: Path) -> Config:
    """Raises ModelError for what is no JSON object."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise ModelError(f"{path} is missing: copy the whole pipeline folder") from problem
    except ValueError as problem:
        raise ModelError(f"{path} is damaged: it is no JSON; copy it again") from problem
    if not isinstance(found, dict):
        raise ModelError(f"{path} is damaged: it is no JSON object; copy it again")
    return found


def in_folder(folder: Path) -> Callable[[str], Config]:
    """What reads a configuration of a folder: of a part by its name, or the pipeline's own, `INDEX`."""
    return lambda name: read_json(folder / PLACES.get(name, f"{name}/config.json"))


def check_configuration(source: str | Path, read: Callable[[str], Config]) -> None:
    """Refuse what cannot be asked.

    Args:
        source: the pipeline's folder or hub id, for the person.
        read: `INDEX` or the name of a part => its configuration.

    Raises:
        ModelError: it is no Stable Diffusion pipeline, or its denoiser is told more than a caption.
    """
    _check_class(source, read(INDEX))
    unet, vae, encoder = (read(part) for part in ("unet", "vae", "text_encoder"))
    _check_inputs(source, unet)
    _check_channels(source, unet, vae)
    _check_attention(source, unet, encoder)
    latent_side(unet, source)
    _check_scheduler(source, read("scheduler"))


def latent_side(unet: Config, source: str | Path) -> int:
    """Cells of a side of the latent.

    Raises:
        ModelError: the U-Net does not say, or its pictures are not square.
    """
    size = unet.get("sample_size")
    sides = [size, size] if isinstance(size, int) else size
    path = f"{source}/unet/config.json"
    if not isinstance(sides, list | tuple) or not sides or not all(isinstance(s, int) for s in sides):
        raise ModelError(
            f"{path} does not say how large pictures are (sample_size is {size!r}): write the side of a "
            "latent there, which is 64 for pictures of 512 pixels"
        )
    if len(set(sides)) > 1:
        raise ModelError(
            f"{path} has sample_size {list(sides)}, and only square pictures can be asked about: write one "
            "number there, which is 64 for pictures of 512 pixels"
        )
    return int(sides[0])


def _check_class(source: str | Path, index: Config) -> None:
    name = index.get("_class_name")
    if name not in ASKED:
        raise ModelError(f"{source} {_other_class(str(name))}")
    missing = [part for part in PARTS if not any(index.get(part) or ())]
    if missing:
        raise ModelError(f"{source} is not a Stable Diffusion pipeline: it has no {', '.join(missing)}")
    known = {"unet": {"UNet2DConditionModel"}, "vae": LATENTS}
    for part, classes in known.items():
        if (found := index[part][1]) not in classes:
            raise ModelError(
                f"{source} has a {found} for its {part}, which is not known: only "
                f"{' or '.join(sorted(classes))} can be read; give a pipeline that has one"
            )


def _other_class(name: str) -> str:
    import diffusers  # for the names of its pipelines

    if name not in dir(diffusers):
        return (
            f"has a pipeline class of its own, {name}, whose code is not run: if it computes as Stable "
            'Diffusion does, write "_class_name": "StableDiffusionPipeline" into its model_index.json'
        )
    family = next((words for begins, words in FAMILIES.items() if name.startswith(begins)), "another")
    return f"is {family} pipeline ({name}), and {ONLY}"


def _check_inputs(source: str | Path, unet: Config) -> None:
    for key, words in INPUTS.items():
        if unet.get(key) is not None:
            raise ModelError(f"the U-Net of {source} ({key} is {unet[key]!r}) is told {words}")


def _check_channels(source: str | Path, unet: Config, vae: Config) -> None:
    taken, given = int(unet.get("in_channels", 4)), int(vae.get("latent_channels", 4))
    made = int(unet.get("out_channels", 4))
    if taken != given:
        kind = f" ({EXTRA_CHANNELS[taken]})" if taken in EXTRA_CHANNELS else ""
        raise ModelError(
            f"the U-Net of {source} takes {taken} channels{kind} and a latent has {given}: it is told more "
            "than a caption; give the text-to-image model that it was made from"
        )
    if made != taken:
        raise ModelError(
            f"the U-Net of {source} makes {made} channels of {taken}, as one that predicts its variance "
            f"does; {ONLY}"
        )


def _check_attention(source: str | Path, unet: Config, encoder: Config) -> None:
    """Captions must reach the keys and values as the text encoder made them."""
    blocks = [*(unet.get("down_block_types") or ()), *(unet.get("up_block_types") or ())]
    odd = {
        block for block in blocks if re.match("SimpleCrossAttn|ResnetDown|ResnetUp|KDown|KUp|KCross", block)
    }
    changed = [
        f"{key} is {unet[key]!r}"
        for key, plain in {"attention_type": "default", "cross_attention_norm": None}.items()
        if unet.get(key, plain) != plain
    ]
    changed += [
        f"{key} is true"
        for key in ("dual_cross_attention", "only_cross_attention")
        if unet.get(key) is True
    ]
    changed += [f"it has a {block}" for block in sorted(odd)]
    if changed:
        raise ModelError(
            f"the U-Net of {source} attends to captions in a way that is not known ({'; '.join(changed)}); "
            f"{ONLY}"
        )
    if encoder.get("architectures") == ["CLIPTextModelWithProjection"] or encoder.get("use_attention_mask"):
        raise ModelError(
            f"the text encoder of {source} makes one vector of a caption, or masks its tokens, and Stable "
            "Diffusion's does neither: give a pipeline with a CLIPTextModel"
        )
    width, wanted = encoder.get("hidden_size"), unet.get("cross_attention_dim", 1280)
    wanted = set(wanted) if isinstance(wanted, list | tuple) else {wanted}
    if width is not None and wanted != {width}:
        raise ModelError(
            f"the text encoder of {source} makes vectors of {width} and its U-Net takes vectors of "
            f"{', '.join(map(str, sorted(wanted)))}: they do not belong together; copy the pipeline again"
        )


def _check_scheduler(source: str | Path, config: Config) -> None:
    name = str(config.get("_class_name"))
    if name.removesuffix("Scheduler") in SCHEDULES:
        return
    why = next((words for begins, words in OTHER_SCHEDULES.items() if name.startswith(begins)), None)
    raise ModelError(
        f"{source} has the scheduler {name}, {why or 'which is not known'}: if the model was trained on a "
        "table of betas, write the scheduler of its training into scheduler/scheduler_config.json "
        "(a DDPMScheduler and its betas); otherwise it cannot be asked yet"
    )
