"""What the page's words may claim."""

from __future__ import annotations

import re

from tests.worlds import ROOT

# Nothing was left out of training: a ranking is a clue, and unlearning an approximation.
CLAIMS = re.compile(
    r"(is|was) where it came from|learnt it from|owe[sd]? (it|most|its)|was made (from|out) of|"
    r"Without the first|Without \{count\}|because of this image"
)


def test_no_word_of_the_page_claims_more_than_unlearning_shows() -> None:
    """Law: The page never says that a picture came from images or is without them: they were unlearned."""
    sources = [
        path
        for folder in ("app", "assets/page", "assets/report")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".html", ".js", ".json")
    ]
    assert len(sources) > 60
    said = [(path.name, found[0]) for path in sources for found in CLAIMS.finditer(path.read_text("utf-8"))]
    assert said == []
