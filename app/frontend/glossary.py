"""What the terms on the page mean, told where they stand: under the pointer and at the focus.

assets/page/tips.json has the words by CSS selector; assets/page/tips.js shows those of the nearest
element that has some.
"""

from __future__ import annotations

import json

from app.frontend.assets import script
from app.frontend.evidence import evidence_in_words
from attribution.analysis.evidence import Evidence
from attribution.methods.base import methods


def tips(found: Evidence | None) -> dict[str, str]:
    """The words by selector; those of the methods are the methods' own, and what retraining found of them.

    Args:
        found: for the model that the page is on.
    """
    terms: dict[str, str] = json.loads(script("tips.json"))
    words = {m.name: f"{m.description} {evidence_in_words(found, m.name)}" for m in methods().values()}
    of_methods = {
        f'#methods :is(label:has([name="{name}"]), [data-method="{name}"])': text
        for name, text in words.items()
    }
    of_strips = {f'.strip[data-method="{name}"] h3': text for name, text in words.items()}
    return {**terms, **of_methods, **of_strips}


def tips_script(found: Evidence | None) -> str:
    """For the page's head."""
    return f"window.whenceTips = {json.dumps(tips(found)).replace('<', chr(92) + 'u003c')};"
