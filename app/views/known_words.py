"""Words to press under the prompt, and the words of a prompt that no caption has."""

from __future__ import annotations

from collections.abc import Sequence

from app.frontend.templates import render
from attribution.analysis.known_words import known_words
from attribution.analysis.shared_facts import CAPTION
from attribution.data.training_set import TrainingSet

NAMED = 8  # unsaid words at most


def known_word_list(training_set: TrainingSet) -> str:
    """Buttons, column by column; "" of a training set whose captions say nothing."""
    groups = [
        ("" if column == CAPTION else column.replace("_", " "), known)
        for column, known in known_words(training_set).items()
        if known
    ]
    return render("known_words.html", groups=groups) if groups else ""


def unsaid_view(unsaid: Sequence[str]) -> str:
    """The line under the prompt; empty where captions have every word."""
    return render("unsaid_words.html", unsaid=unsaid[:NAMED], more=max(len(unsaid) - NAMED, 0))
