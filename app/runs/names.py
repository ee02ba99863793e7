"""What a workspace, its model and its training set are called. No folder of this machine is told whole."""

from __future__ import annotations

from pathlib import Path

from attribution.workspace.workspace import Workspace

# Names of folders that say nothing: the folder around them is named instead.
USUAL = ("workspace", "model", "adapter", "pipeline", "dataset", "data", "images", "pictures", "train")


def title_of(workspace: Workspace) -> str:
    """A workspace's name: its folder's, or that of the folder around it."""
    return _name_of(workspace.folder)


def model_name(workspace: Workspace) -> str:
    """The model's name, and what was put into it: "sd-v1-4 with my-dog"."""
    config, folder = workspace.config, workspace.folder
    adapters = [_name(each, folder) for each in config.adapters]
    return _name(config.model, folder) + (f" with {' and '.join(adapters)}" if adapters else "")


def training_set_name(workspace: Workspace) -> str:
    """The name of the training set's folder; of several, the names that they go by."""
    dataset = workspace.config.dataset
    return _name(dataset, workspace.folder) if isinstance(dataset, str) else " and ".join(dataset)


def _name(source: str, folder: Path) -> str:
    """A folder's or a file's name, or a hub's id."""
    path = Path(folder, source)
    return _name_of(path) if path.exists() else source


def _name_of(path: Path) -> str:
    path = path.resolve()
    named = (each for each in (path, *path.parents) if each.name not in (*USUAL, ""))
    return next(named, path).name
