"""What a person should know of a query before believing its answer."""

from __future__ import annotations

from attribution.data.words import words
from attribution.gradients.query_context import QueryContext
from attribution.models.base import DiffusionModel, ReadsSome
from attribution.models.losses import example_losses
from attribution.workspace.baseline import LOSSES

NAMED = 8  # unknown words at most
MOST_AT_ONCE = 64  # draws of one pass


def query_warnings(context: QueryContext, measured: bool) -> tuple[str, ...]:
    """Return sentences about words and pictures that are unlike the training set, the worst first.

    Args:
        measured: whether the answer rests on the diffusion model; only then is the picture's loss compared
            with the training images'.
    """
    of_model = (_unlike(context), _unread(context)) if measured else ()
    found = (*of_model, _unknown_words(context))
    return tuple(sentence for sentence in found if sentence is not None)


def _unknown_words(context: QueryContext) -> str | None:
    known = context.workspace.training_set.has_word
    unknown = [word for word in dict.fromkeys(words(context.query.caption)) if not known(word)]
    if not unknown:
        return None
    named = ", ".join(repr(word) for word in unknown[:NAMED])
    return f"no training caption has {named}: what comes of such words is a guess"


def _unread(context: QueryContext) -> str | None:
    """The model has not seen the end of the caption."""
    unread = unread_words(context.workspace.model, context.query.caption)
    return f"{unread}; the answer is of the rest" if unread else None


def unread_words(model: DiffusionModel, caption: str) -> str:
    """What of a caption a model does not read, in words; "" where it reads all or does not say."""
    beyond = model.unread(caption) if isinstance(model, ReadsSome) else ""
    return f"the caption is too long for the model, which does not read “{beyond}”" if beyond else ""


def _unlike(context: QueryContext) -> str | None:
    """The picture's loss, measured exactly as the training images' are, is not among theirs."""
    workspace = context.workspace
    if not workspace.has(LOSSES):
        return None
    own = float(
        example_losses(
            workspace.model,
            workspace.model.weights,
            context.latent.cpu(),
            context.conditioning,
            ["query"],
            workspace.probe,
            min(context.batch_size, MOST_AT_ONCE),
        ).mean()
    )
    usual = workspace.load(LOSSES).mean(axis=(1, 2))
    low, high = float(usual.min()), float(usual.max())
    if low <= own <= high:
        return None
    return (
        f"this picture is unlike the training images: its loss is {own:.3f}, and theirs lie "
        f"between {low:.3f} and {high:.3f}; what it is traced to may mean little"
    )
