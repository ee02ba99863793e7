"""How to read the answer, and when not to believe it: ten lines, in assets/page/guide.html."""

from __future__ import annotations

from app.frontend.assets import script

GUIDE = script("guide.html")
