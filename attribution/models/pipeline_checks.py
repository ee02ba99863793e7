"""What a pipeline folder is, from its configurations alone: what cannot be asked is refused by name.

Nothing here reads a weight, so that a person is told before a download or an hour of encoding. What lies
beside the pipeline's own parts is looked at in `attribution.models.adapter_files`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from pathlib import Path

from attribution.errors import ModelError
from attribution.models.families import INDEX, Config, Read

PLACES = {INDEX: "model_index.json", "scheduler": "scheduler/scheduler_config.json"}
LATENT, PICTURE = "a latent, which is 64 for pictures of 512 pixels,", "a picture in pixels"
EXTRA_CHANNELS = {5: "depth-to-image", 7: "upscaling", 8: "InstructPix2Pix", 9: "inpainting"}
# Further inputs of a U-Net, by the key of its configuration that asks for them.
INPUTS = {
    "time_cond_proj_dim": "a guidance embedding (LCM): give the model that it was distilled from",
    "class_embed_type": "class labels besides captions: give a model that is told captions alone",
    "num_class_embeds": "class labels besides captions: give a model that is told captions alone",
    "addition_embed_type": "further embeddings, as Stable Diffusion XL is: if it is one, write "
    '"_class_name": "StableDiffusionXLPipeline" into its model_index.json',
    "encoder_hid_dim_type": "a picture or projected tokens besides the caption (IP-Adapter, Kandinsky): "
    "give the plain U-Net (pipeline.unload_ip_adapter(), then save_pretrained)",
}
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
    except (FileNotFoundError, NotADirectoryError) as problem:
        raise ModelError(f"{path} is missing: copy the whole pipeline folder") from problem
    except OSError as problem:
        raise ModelError(f"{path} cannot be read: {problem.strerror or problem}") from problem
    except ValueError as problem:
        raise ModelError(f"{path} is damaged: it is no JSON; copy it again") from problem
    if not isinstance(found, dict):
        raise ModelError(f"{path} is damaged: it is no JSON object; copy it again")
    return found


def in_folder(folder: Path) -> Read:
    """What reads a configuration of a folder: of a part by its name, or the pipeline's own, `INDEX`."""
    return lambda name: read_json(folder / PLACES.get(name, f"{name}/config.json"))


def check_stable_diffusion(source: str | Path, read: Read) -> None:
    """Refuse what cannot be asked of Stable Diffusion 1 and 2.

    Args:
        source: the pipeline's folder or hub id, for the person.
        read: `INDEX` or the name of a part => its configuration.

    Raises:
        ModelError: its parts are others, or its denoiser is told more than a caption.
    """
    index = read(INDEX)
    check_parts(source, index, ("unet", "vae", "text_encoder", "tokenizer", "scheduler"))
    check_class(source, index, "unet", ("UNet2DConditionModel",))
    unet, vae, encoder = (read(part) for part in ("unet", "vae", "text_encoder"))
    check_unet(source, unet, vae)
    if encoder.get("architectures") == ["CLIPTextModelWithProjection"] or encoder.get("use_attention_mask"):
        raise ModelError(
            f"the text encoder of {source} makes one vector of a caption, or masks its tokens, and Stable "
            "Diffusion's does neither: give a pipeline with a CLIPTextModel"
        )
    check_width(source, encoder.get("hidden_size"), unet)
    check_scheduler(source, read("scheduler"))


def check_unet(source: str | Path, unet: Config, vae: Config, told: Collection[str] = ()) -> None:
    """Refuse a U-Net that is asked in a way that is not known.

    Args:
        told: keys of `INPUTS` that its family knows how to fill.

    Raises:
        ModelError: it is told more, or attends to captions otherwise.
    """
    for key, words in INPUTS.items():
        if key not in told and unet.get(key) is not None:
            raise ModelError(f"the U-Net of {source} ({key} is {unet[key]!r}) is told {words}")
    check_latents(source, "unet", unet, vae)
    _check_attention(source, unet)


def side_of(config: Config, source: str | Path, part: str = "unet", unit: str = LATENT) -> int:
    """How large a part says that its pictures or latents are, on a side.

    Args:
        unit: of which the number is one, for the person.

    Raises:
        ModelError: it does not say, or they are not square.
    """
    size = config.get("sample_size")
    sides = [size, size] if isinstance(size, int) else size
    path = f"{source}/{part}/config.json"
    if not isinstance(sides, list | tuple) or not sides or not all(isinstance(s, int) for s in sides):
        raise ModelError(
            f"{path} does not say how large pictures are (sample_size is {size!r}): write the side of "
            f"{unit} there"
        )
    if len(set(sides)) > 1:
        raise ModelError(
            f"{path} has sample_size {list(sides)}, and only square pictures can be asked about: write one "
            f"number there, the side of {unit}"
        )
    return int(sides[0])


def check_parts(source: str | Path, index: Config, parts: Collection[str]) -> None:
    """Refuse a pipeline that lacks a part, or whose autoencoder is not known.

    Raises:
        ModelError: names what is missing or unknown.
    """
    missing = [part for part in parts if not any(index.get(part) or ())]
    if missing:
        raise ModelError(
            f"{source} is not a whole {index['_class_name']}: it has no {', '.join(missing)}; copy it again"
        )
    if "vae" in parts:
        check_class(source, index, "vae", ("AutoencoderKL", "AutoencoderTiny"))


def check_class(source: str | Path, index: Config, part: str, classes: Collection[str]) -> None:
    """Refuse a part of a class whose computation is not known.

    Raises:
        ModelError: names it, and those that are.
    """
    if (found := index[part][1]) not in classes:
        raise ModelError(
            f"{source} has a {found} for its {part}, which is not known: only {' or '.join(classes)} "
            "can be read; give a pipeline that has one"
        )


def check_transformer(
    source: str | Path, index: Config, transformer: Config, title: str, norm: str
) -> None:
    """Refuse a transformer that is not the one of a family named by how it normalises.

    Under the library's general class the first ones were published; it opens either.

    Raises:
        ModelError: names its class, or the one that it should have.
    """
    own = f"{title}Transformer2DModel"
    check_class(source, index, "transformer", (own, "Transformer2DModel"))
    if transformer.get("norm_type", norm) != norm:
        raise ModelError(f"the transformer of {source} is no {title}: give a pipeline with a {own}")


def check_latents(
    source: str | Path, part: str, denoiser: Config, vae: Config, variance: bool = False
) -> None:
    """Refuse a denoiser that does not take and make latents of the autoencoder, square ones.

    Args:
        variance: whether it may predict its variance beside them.

    Raises:
        ModelError: says what it takes or makes.
    """
    taken, given = int(denoiser.get("in_channels", 4)), int(vae.get("latent_channels", 4))
    made = int(denoiser.get("out_channels") or taken)
    name = {"unet": "U-Net"}.get(part, part)
    if taken != given:
        kind = f" ({EXTRA_CHANNELS[taken]})" if taken in EXTRA_CHANNELS else ""
        raise ModelError(
            f"the {name} of {source} takes {taken} channels{kind} and a latent has {given}: it is told "
            "more than a caption; give the text-to-image model that it was made from"
        )
    if made not in ((taken, 2 * taken) if variance else (taken,)):
        raise ModelError(
            f"the {name} of {source} makes {made} channels of {taken}, as one that predicts its variance "
            "does, which only DiT, PixArt and DDPM may: give a model that predicts one thing"
        )
    side_of(denoiser, source, part)


def _check_attention(source: str | Path, unet: Config) -> None:
    """Captions must reach the keys and values as the text encoders made them."""
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
            f"the U-Net of {source} attends to captions in a way that is not known ({'; '.join(changed)}): "
            "give a model whose attention is Stable Diffusion's own"
        )


def check_width(source: str | Path, width: int | None, unet: Config) -> None:
    """Refuse text encoders whose vectors are not as long as those that the U-Net attends to.

    Args:
        width: of all encoders together; None where they do not say.

    Raises:
        ModelError: names both.
    """
    wanted = unet.get("cross_attention_dim", 1280)
    wanted = set(wanted) if isinstance(wanted, list | tuple) else {wanted}
    if width is not None and wanted != {width}:
        raise ModelError(
            f"the text encoder of {source} makes vectors of {width} and its U-Net takes vectors of "
            f"{', '.join(map(str, sorted(wanted)))}: they do not belong together; copy the pipeline again"
        )


def check_scheduler(source: str | Path, config: Config) -> None:
    """Refuse a scheduler of another training than on a table of betas.

    Raises:
        ModelError: says what it is of.
    """
    name = str(config.get("_class_name"))
    if name.removesuffix("Scheduler") in SCHEDULES:
        return
    why = next((words for begins, words in OTHER_SCHEDULES.items() if name.startswith(begins)), None)
    raise ModelError(
        f"{source} has the scheduler {name}, {why or 'which is not known'}: if the model was trained on a "
        "table of betas, write the scheduler of its training into scheduler/scheduler_config.json "
        "(a DDPMScheduler and its betas); otherwise it cannot be asked yet"
    )


def check_flow_scheduler(source: str | Path, config: Config) -> None:
    """Refuse a scheduler of another training than rectified flow, or with steps that are not known.

    Raises:
        ModelError: names it.
    """
    name = str(config.get("_class_name"))
    if name != "FlowMatchEulerDiscreteScheduler":
        raise ModelError(
            f"{source} has the scheduler {name}, and its family's is FlowMatchEulerDiscreteScheduler: "
            "write that one into scheduler/scheduler_config.json, with the shift of the model's training"
        )
