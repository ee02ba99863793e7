"""What the terms on the page mean, told where they stand: under the pointer and at the focus.

assets/page/tips.json has the words by CSS selector; assets/page/tips.js shows those of the nearest
element that has some.
"""

from __future__ import annotations

import json

from app.frontend.assets import script
from attribution.methods.base import methods


def tips() -> dict[str, str]:
    """The words by selector; those of the methods are the methods' own."""
    terms: dict[str, str] = json.loads(script("tips.json"))
    of_methods = {f'#methods label:has([name="{m.name}"])': m.description for m in methods().values()}
    of_strips = {f'.strip[data-method="{m.name}"] h3': m.description for m in methods().values()}
    return {**terms, **of_methods, **of_strips}


def tips_script() -> str:
    """For the page's head."""
    return f"window.whenceTips = {json.dumps(tips()).replace('<', chr(92) + 'u003c')};"
