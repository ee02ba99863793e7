"""HTML from templates: assets/page/templates has one file a view.

Whatever is put into a template is text and is escaped; only what comes from a template is HTML already. A
name that a template asks for and is not given is an error.

In a template a line may end beside a tag, and its indentation is nothing: browsers would show it as a gap.
Between words it is a space.
"""

from __future__ import annotations

import re
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.ext import Extension
from markupsafe import Markup

from app.frontend.assets import FOLDER

BESIDE_A_TAG = re.compile(r"(?<=[>}])(?<!\}\})\s*\n\s*|\s*\n\s*(?=<|\{%|\{#|$)")
BETWEEN_WORDS = re.compile(r"\s*\n\s*")


class LinesJoined(Extension):
    """Reads a template as if it were one line."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """The source without line breaks."""
        return BETWEEN_WORDS.sub(" ", BESIDE_A_TAG.sub("", source))


ENVIRONMENT = Environment(
    loader=FileSystemLoader(FOLDER / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    extensions=[LinesJoined],
    auto_reload=False,
)


def render(template: str, **values: Any) -> Markup:
    """A template with its values, as HTML that other templates take as it is."""
    return Markup(ENVIRONMENT.get_template(template).render(**values))
