"""Reports as Markdown, and their place in a document that people also write in."""

from __future__ import annotations

from collections.abc import Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first column is left, the others right aligned."""
    aligned = ["---", *["---:"] * (len(header) - 1)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in [header, aligned, *rows])


def interval(ends: Sequence[float], digits: int = 3) -> str:
    """An interval in brackets."""
    return f"[{ends[0]:.{digits}f}, {ends[1]:.{digits}f}]"


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
