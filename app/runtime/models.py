"""The models that one server has pages of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from app.runs.names import title_of
from attribution.errors import SettingsError
from attribution.workspace.workspace import Workspace


@dataclass(frozen=True)
class ServedModel:
    """One model.

    Attributes:
        title: as people choose it: the name of its workspace.
        path: of its page.
    """

    workspace: Workspace
    title: str
    path: str


def served_models(workspaces: Sequence[Workspace]) -> list[ServedModel]:
    """The models with their paths; the first is at the root.

    Raises:
        SettingsError: two have the same name.
    """
    titles = [title_of(each) for each in workspaces]
    names = [re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") for title in titles]
    if twice := [title for k, title in enumerate(titles) if names[k] in names[:k] or not names[k]]:
        raise SettingsError(
            f"two workspaces are called {twice[0]!r}: rename one's folder, so that they can be told apart"
        )
    paths = ["/", *(f"/models/{name}/" for name in names[1:])]
    return [ServedModel(*each) for each in zip(workspaces, titles, paths, strict=True)]
