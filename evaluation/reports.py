"""What an evaluation hands back, and where it is put: beside its answers, and into a document."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Report:
    """Figures for scripts and the same as Markdown for people."""

    figures: Mapping[str, Any]
    markdown: str

    def of_run(self, run: Mapping[str, Any], **further: Any) -> Report:
        """The report with what was asked of which model and data, in its figures and in small print."""
        facts = (f"{key} `{value}`" for key, value in run.items() if key not in ("protocol", "methods"))
        small_print = f"<sub>{', '.join(facts)}.</sub>\n"
        return Report({**self.figures, "run": run, **further}, f"{self.markdown}\n{small_print}")

    def write(self, folder: Path) -> None:
        """Write `report.json` and `report.md` beside the answers."""
        (folder / "report.json").write_text(figures_as_json(self.figures), encoding="utf-8")
        (folder / "report.md").write_text(self.markdown, encoding="utf-8")


def figures_as_json(figures: Mapping[str, Any]) -> str:
    """Figures as they are kept, one value a line, so that a change is seen where it is."""
    return json.dumps(figures, indent=2, ensure_ascii=False) + "\n"


def update_block(document: Path, name: str, block: str) -> None:
    """Put the block between its marks in a document, which is made if it is not there."""
    before = document.read_text(encoding="utf-8") if document.exists() else ""
    document.write_text(with_block(before, name, block), encoding="utf-8")


def with_block(document: str, name: str, block: str) -> str:
    """`document` with the text between `<!-- name -->` and `<!-- /name -->` replaced by `block`.

    Without such marks the block is put at the end, marks and all.
    """
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    marked = f"{begin}\n{block.strip()}\n{end}"
    if begin not in document or end not in document:
        return f"{document.rstrip()}\n\n{marked}\n".lstrip()
    before, rest = document.split(begin, 1)
    return before + marked + rest.split(end, 1)[1]
