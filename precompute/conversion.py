"""Write what was saved as pickles, or as one file, as a folder that can be asked about.

    a file of weights       its tensors, in safetensors
    a folder of such files  a copy of it, each pickle in safetensors
    a whole model           a pipeline folder, by the configurations of a pipeline of its kind

Pickles are read as tensors alone. The folder appears when all of it is there.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from attribution.data.files import files_below, folder_whole
from attribution.errors import ModelError, SettingsError
from attribution.models.adapter_files import LEFT_BY_TRAINING, tensor_names
from attribution.models.pickles import PICKLES, unpickled_tensors, write_plain
from attribution.models.pipeline_checks import read_json

DENOISER = "model.diffusion_model."  # how names of tensors begin, in one file for all
FURTHER = {"VAE": ("first_stage_model.",), "text encoder": ("cond_stage_model.", "conditioner.")}
INDEX = ".bin.index.json"  # says which shard has which tensor


def convert(source: Path, out: Path, configuration: Path | None = None) -> Iterator[Path]:
    """Write a folder of safetensors; yields each of its files as seen from there.

    Args:
        configuration: a pipeline folder of the same kind, for a whole model in one file.

    Raises:
        SettingsError: there is nothing to convert, or the folder is there already.
        ModelError: a pickle could run code, or a file is no file of weights.
    """
    if out.exists():
        raise SettingsError(f"{out} is there already: name a new folder with --out")
    with folder_whole(out) as part:
        if source.is_dir():
            yield from _converted_folder(source, part)
        else:
            yield from _converted_file(source, part, configuration)


def _converted_folder(source: Path, part: Path) -> Iterator[Path]:
    files = [path for path in files_below(source) if path.is_file() and _is_wanted(path, source)]
    pickles = [path for path in files if path.suffix in PICKLES]
    if not pickles:
        raise SettingsError(f"{source} has no weights in pickles: use it as it is")
    for path in files:
        name = _plain_name(path.relative_to(source))
        (part / name).parent.mkdir(parents=True, exist_ok=True)
        if path in pickles:
            write_plain(unpickled_tensors(path), part / name)
            yield name
        elif path.name.endswith(INDEX):
            text = path.read_text(encoding="utf-8")
            (part / name).write_text(re.sub(r'"[^"/]+\.bin"', _plain_quoted, text), encoding="utf-8")
        else:
            shutil.copyfile(path, part / name)


def _is_wanted(path: Path, source: Path) -> bool:
    """Whether a file is copied or converted: no state of a training, and nothing that is there twice."""
    name = path.relative_to(source)
    if any(piece.startswith(".") for piece in name.parts) or path.suffix == ".pkl":
        return False
    if path.suffix not in PICKLES:
        return True
    twice = path.suffix == ".ckpt" or (source / _plain_name(name)).is_file()
    return not twice and not re.search(LEFT_BY_TRAINING, name.as_posix())


def _plain_name(name: Path) -> Path:
    """What a file of weights is called in safetensors: transformers has another beginning there."""
    if name.name.endswith(INDEX):
        plain = name.name.replace(INDEX, ".safetensors.index.json")
    else:
        plain = name.name if name.suffix not in PICKLES else f"{name.stem}.safetensors"
    return name.with_name(re.sub(r"^pytorch_model(?=[.-])", "model", plain))


def _plain_quoted(found: re.Match[str]) -> str:
    return f'"{_plain_name(Path(found[0].strip(chr(34))))}"'


def _converted_file(source: Path, part: Path, configuration: Path | None) -> Iterator[Path]:
    if not source.is_file():
        raise SettingsError(f"there is no {source}: give a file of weights, or a folder of them")
    if source.suffix == ".safetensors":
        if not _is_whole(tensor_names(source)):
            raise SettingsError(f"{source} is in safetensors and no whole model: use it as it is")
        yield from _pipeline_of(source, part, configuration)
        return
    tensors = unpickled_tensors(source)
    plain = part / f"{source.stem}.safetensors"
    write_plain(tensors, plain)
    if _is_whole(list(tensors)):
        yield from _pipeline_of(plain, part, configuration)
        plain.unlink()
    else:
        yield plain.relative_to(part)


def _is_whole(names: list[str]) -> bool:
    return any(name.startswith(DENOISER) for name in names)


def _pipeline_of(single: Path, part: Path, configuration: Path | None) -> Iterator[Path]:
    """A pipeline folder of a whole model in one file."""
    import diffusers  # seconds to import, for this command alone

    if configuration is None:
        raise SettingsError(
            f"{single.name} is a whole model in one file: give --config PIPELINE_FOLDER, a pipeline of its "
            "kind, whose configurations, tokenizer and scheduler it takes"
        )
    names = tensor_names(single)
    for what, beginnings in FURTHER.items():
        if not any(name.startswith(beginnings) for name in names):
            raise ModelError(f"{single.name} has no {what}: give a file of the whole model")
    class_name = str(read_json(configuration / "model_index.json").get("_class_name"))
    kind = getattr(diffusers, class_name, None)
    if kind is None or not hasattr(kind, "from_single_file"):
        raise ModelError(f"{configuration} is a {class_name}, of which none can be made from one file")
    absent = dict.fromkeys(("safety_checker", "feature_extractor", "image_encoder"))
    try:
        made = kind.from_single_file(
            str(single),
            config=str(configuration),
            local_files_only=True,
            requires_safety_checker=False,
            **absent,
        )
    except (OSError, ValueError, KeyError, RuntimeError) as problem:
        first_line = str(problem).strip().splitlines()[0]
        raise ModelError(
            f"{single.name} is no model of the kind of {configuration}: {first_line}"
        ) from problem
    made.save_pretrained(part)
    yield from (path.relative_to(part) for path in sorted(part.rglob("*.safetensors")) if path != single)
