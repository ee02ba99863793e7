"""Libraries that are to say nothing between our lines."""

from __future__ import annotations


def quiet_libraries() -> None:
    """Bars, warnings and advice of diffusers and transformers would come between our lines."""
    import diffusers.utils.logging
    import transformers.utils.logging

    for logging in (diffusers.utils.logging, transformers.utils.logging):
        logging.set_verbosity_error()
        logging.disable_progress_bar()
