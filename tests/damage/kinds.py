"""The damages: to bytes, JSON, arrays, files and artifacts, with and without new checksums."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from attribution.workspace.root_manifest import MANIFEST, artifacts_in, record
from precompute.sealing import COVERED

Rng = np.random.Generator
UNTOUCHED, ARTIFACT, EVERYTHING = "as they were", "of the artifact", "of everything"
CHECKSUMS = (UNTOUCHED, ARTIFACT, EVERYTHING)  # which are written anew after the damage
ODD: tuple[Any, ...] = (None, True, -1, 0, 1, 7, 10**9, 2**70, 1.5, 1e308, "", "x", "../x", [], {}, [None])


def damage(root: Path, rng: Rng) -> tuple[str, Path]:
    """Damage a world: a folder with a workspace and what it is of. Returns what was done, and to what."""
    kind = KINDS[rng.integers(len(KINDS))]
    words, changed = kind(root, rng)
    checksums = CHECKSUMS[rng.integers(len(CHECKSUMS))]
    workspace = root / "workspace"
    if checksums != UNTOUCHED and changed.parent.parent == workspace:
        hash_again(changed.parent)
    if checksums == EVERYTHING:
        (workspace / MANIFEST).unlink(missing_ok=True)  # it may be what was damaged
        record(workspace, COVERED, artifacts_in(workspace))
    return f"{words}; checksums {checksums}", changed.relative_to(root)


def hash_again(artifact: Path) -> None:
    """Have an artifact's manifest, if it still is one, list its files as they are now."""
    path = artifact / MANIFEST
    try:
        manifest = json.loads(path.read_bytes())
        for name in manifest["files"]:
            data = (artifact / name).read_bytes()
            manifest["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return
    write(path, json.dumps(manifest).encode())


def write(path: Path, data: bytes) -> None:
    """Never into the file itself: it is shared with the world that was copied."""
    path.unlink(missing_ok=True)
    path.write_bytes(data)


def any_file(root: Path, rng: Rng, *suffixes: str) -> Path:
    """A file, from each of the four folders as often: the workspace's in every second case."""
    folders = sorted(path for path in root.iterdir() if path.is_dir())
    folder = root / "workspace" if rng.integers(2) else folders[rng.integers(len(folders))]
    found = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    wanted = [path for path in found if not suffixes or path.suffix in suffixes]
    return wanted[rng.integers(len(wanted))] if wanted else any_file(root, rng, *suffixes)


def bytes_of_a_file(root: Path, rng: Rng) -> tuple[str, Path]:
    """Bits turned, a stretch overwritten, cut short, grown, emptied."""
    path = any_file(root, rng)
    data, how = bytearray(path.read_bytes()), int(rng.integers(6))
    at, length = int(rng.integers(len(data) + 1)), int(rng.integers(1, 65))
    if how == 0 and at < len(data):
        data[at] ^= 1 << int(rng.integers(8))
    elif how == 1:
        data[at : at + length] = bytes(min(length, len(data) - at))
    elif how == 2:
        data[at : at + length] = rng.bytes(min(length, len(data) - at))
    elif how == 3:
        del data[at:]
    elif how == 4:
        data += rng.bytes(length)
    else:
        del data[:]
    write(path, bytes(data))
    return f"bytes of {path.relative_to(root)}, way {how} at {at}", path


def value_of_json(root: Path, rng: Rng) -> tuple[str, Path]:
    """One value of a JSON file replaced, left out, renamed, or its list shuffled."""
    path = any_file(root, rng, ".json", ".jsonl")
    lines = path.read_text(encoding="utf-8").splitlines() if path.suffix == ".jsonl" else [path.read_text()]
    number = int(rng.integers(len(lines)))
    whole = json.loads(lines[number])
    holder: Any = {"": whole}
    key: Any = ""
    while isinstance(holder[key], dict | list) and holder[key] and (key == "" or rng.integers(5)):
        holder = holder[key]
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = keys[rng.integers(len(keys))]
    told = changed_value(holder, key, rng)
    lines[number] = json.dumps(whole)
    write(path, "\n".join(lines).encode() + b"\n")
    return f"{key!r} of {path.relative_to(root)}: {told}", path


def changed_value(holder: Any, key: Any, rng: Rng) -> str:
    """Change what a dict or list has at a key; returns how, in words."""
    old, how = holder[key], int(rng.integers(4))
    if how == 0 and isinstance(old, int | float) and not isinstance(old, bool):
        holder[key] = type(old)(old * 2 + 1) if rng.integers(2) else old + 1
    elif how == 1 and isinstance(holder, dict):
        holder[f"{key}_"] = holder.pop(key)
        return "renamed"
    elif how == 2:
        del holder[key]
        return "left out"
    elif how == 3 and isinstance(old, list) and old:
        rng.shuffle(old)
        return "shuffled"
    else:
        holder[key] = ODD[rng.integers(len(ODD))]
    return f"{str(old)[:40]!r} became {str(holder[key])[:40]!r}"


def numbers_of_an_array(root: Path, rng: Rng) -> tuple[str, Path]:
    """A well-formed array with other numbers, another shape or another type."""
    path = any_file(root, rng, ".npy", ".safetensors")
    data = path.read_bytes()
    if path.suffix == ".npy":
        changed, told = other_numbers(np.load(io.BytesIO(data)), rng)
        written = io.BytesIO()
        np.save(written, changed)
        write(path, written.getvalue())
        return f"numbers of {path.relative_to(root)}: {told}", path
    arrays = load_arrays(data)
    name = sorted(arrays)[rng.integers(len(arrays))]
    arrays[name], told = other_numbers(arrays[name], rng)
    write(path, save_arrays({key: np.ascontiguousarray(array) for key, array in arrays.items()}))
    return f"numbers of {name} in {path.relative_to(root)}: {told}", path


def other_numbers(array: np.ndarray, rng: Rng) -> tuple[np.ndarray, str]:
    """An array that is not the given one, and how it differs."""
    how = int(rng.integers(7))
    if how == 0:
        return array * array.dtype.type(2), "doubled"
    if how == 1:
        return -array, "negated"
    if how == 2 and array.ndim:
        return array[:-1], "a row less"
    if how == 3:
        return array[None], "a dimension more"
    if how == 4 and array.dtype.kind == "f" and array.size:
        spoilt = array.copy()
        spoilt.reshape(-1)[rng.integers(array.size)] = (np.nan, np.inf)[rng.integers(2)]
        return spoilt, "not finite"
    if how == 5:
        return array.astype(np.float64 if array.dtype != np.float64 else np.int32), "another type"
    return np.flip(array) if array.ndim else array + array.dtype.type(1), "in another order"


def file_in_place_of_another(root: Path, rng: Rng) -> tuple[str, Path]:
    """A file replaced by another one of its kind: a picture by a picture, an index by an index."""
    path = any_file(root, rng, ".png", ".faiss", ".npy", ".safetensors", ".json")
    alike = sorted(other for other in root.rglob(f"*{path.suffix}") if other.is_file() and other != path)
    other = alike[rng.integers(len(alike))]
    write(path, other.read_bytes())
    return f"{path.relative_to(root)} became {other.relative_to(root)}", path


def file_gone(root: Path, rng: Rng) -> tuple[str, Path]:
    """A file deleted."""
    path = any_file(root, rng)
    path.unlink()
    return f"{path.relative_to(root)} deleted", path


def artifact_gone(root: Path, rng: Rng) -> tuple[str, Path]:
    """A whole artifact deleted."""
    path = any_artifact(root, rng)
    shutil.rmtree(path)
    return f"{path.name} deleted", path


def artifact_in_place_of_another(root: Path, rng: Rng) -> tuple[str, Path]:
    """An artifact replaced by another, its name and fingerprints made those that are expected."""
    path, other = any_artifact(root, rng), any_artifact(root, rng)
    own, foreign = (json.loads((each / MANIFEST).read_text()) for each in (path, other))
    files = {name: (other / name).read_bytes() for name in foreign["files"]}
    shutil.rmtree(path)
    path.mkdir()
    for name, data in files.items():
        (path / name.replace(other.name, path.name)).write_bytes(data)
    listed = {name.replace(other.name, path.name): entry for name, entry in foreign["files"].items()}
    kept = {key: own[key] for key in ("name", "fingerprints", *(("settings",) if rng.integers(2) else ()))}
    write(path / MANIFEST, json.dumps({**foreign, **kept, "files": listed}).encode())
    return f"{path.name} became {other.name}", path / MANIFEST


def any_artifact(root: Path, rng: Rng) -> Path:
    names = artifacts_in(root / "workspace")
    return root / "workspace" / names[rng.integers(len(names))]


KINDS: tuple[Callable[[Path, Rng], tuple[str, Path]], ...] = (
    bytes_of_a_file,
    value_of_json,
    value_of_json,  # of which there are most
    numbers_of_an_array,
    file_in_place_of_another,
    file_gone,
    artifact_gone,
    artifact_in_place_of_another,
)
