"""The words of the embedded world, and the sentences made of them.

A caption is `[object] on [ground]` or `[object] and [object] on [ground]`, with an optional style
behind a comma. The first object named stands on the left.
"""

from __future__ import annotations

import functools
import hashlib
import itertools

# Name -> the emoji it is drawn with.
OBJECTS: dict[str, str] = {
    "bus": "🚌",
    "car": "🚗",
    "bicycle": "🚲",
    "motorcycle": "🏍",
    "stop sign": "🛑",
    "tractor": "🚜",
    "sailboat": "⛵",
    "rocket": "🚀",
    "dog": "🐕",
    "cat": "🐈",
    "cow": "🐄",
    "elephant": "🐘",
    "zebra": "🦓",
    "panda": "🐼",
    "penguin": "🐧",
    "fish": "🐟",
    "turtle": "🐢",
    "duck": "🦆",
    "butterfly": "🦋",
    "apple": "🍎",
    "banana": "🍌",
    "pizza": "🍕",
    "cake": "🎂",
    "coffee": "☕",
    "tree": "🌳",
    "cactus": "🌵",
    "sunflower": "🌻",
    "mushroom": "🍄",
    "house": "🏠",
    "castle": "🏰",
    "clock": "🕰",
    "balloon": "🎈",
    "snowman": "⛄",
}

GROUNDS: tuple[str, ...] = (
    "a field",
    "a road",
    "the beach",
    "snow",
    "the sea",
    "the moon",
    "a table",
)

STYLES: tuple[str, ...] = ("pixel art", "vintage photo")
STYLE_PHRASES: dict[str | None, str] = {
    None: "",
    "pixel art": ", in pixel art",
    "vintage photo": ", as a vintage photo",
}

# Made-up sources, each favouring some objects and grounds, so that influence can be summed by source.
COLLECTIONS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "City Hours": (("bus", "car", "bicycle", "stop sign", "motorcycle"), ("a road",)),
    "Harvest Almanac": (("tractor", "cow", "sunflower", "tree", "duck"), ("a field",)),
    "Harbour Prints": (("sailboat", "fish", "turtle", "penguin"), ("the sea", "the beach")),
    "Kitchen Table": (("apple", "banana", "pizza", "cake", "coffee"), ("a table",)),
    "Lantern Tales": (("castle", "mushroom", "clock", "house"), ("a field", "a table")),
    "Northlight": (("snowman", "penguin", "panda", "dog"), ("snow",)),
    "Orbit Archive": (("rocket", "balloon", "clock", "cat"), ("the moon",)),
    "Wild Album": (("elephant", "zebra", "cactus", "butterfly", "turtle"), ("the beach", "a field")),
}

WITHHELD_ONE_IN = 10  # one object pair in ten never occurs together


def with_article(name: str) -> str:
    """`name` with its indefinite article; "coffee" is a cup of it."""
    if name == "coffee":
        return "a coffee"
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def caption_of(objects: tuple[str, ...], ground: str, style: str | None = None) -> str:
    """The caption of a scene; `objects` from left to right, one or two of them."""
    return f"{' and '.join(map(with_article, objects))} on {ground}{STYLE_PHRASES[style]}"


@functools.cache
def withheld_pairs() -> frozenset[frozenset[str]]:
    """The tenth of the unordered object pairs that no training scene shows together.

    Chosen by a hash of the names, so that the list depends on nothing else.
    """
    pairs = [tuple(sorted(pair)) for pair in itertools.combinations(OBJECTS, 2)]
    pairs.sort(key=lambda pair: hashlib.sha256(" + ".join(pair).encode()).digest())
    return frozenset(frozenset(pair) for pair in pairs[: len(pairs) // WITHHELD_ONE_IN])


def all_captions() -> list[str]:
    """Every caption the grammar can make (what the tokenizer's vocabulary is made from)."""
    singles = [(name,) for name in OBJECTS]
    doubles = list(itertools.permutations(OBJECTS, 2))
    return [
        caption_of(objects, ground, style)
        for objects in [*singles, *doubles]
        for ground in GROUNDS
        for style in (None, *STYLES)
    ]
