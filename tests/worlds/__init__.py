"""The worlds that tests run on, and where they lie."""

from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
TINY = Path(__file__).parent / "tiny"
EMBEDDED = ROOT / "assets" / "demo"
GLYPHS = EMBEDDED / "glyphs"
