"""Laws of opening models and encoders."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from attribution.encoders.base import encoder_reader
from attribution.errors import ModelError, SettingsError
from attribution.models.base import open_model
from attribution.models.opening import opened
from attribution.plugins import one_at_a_time
from tests.worlds import TINY


def test_nothing_is_opened_while_another_thread_opens_something() -> None:
    """Law: Models and encoders are opened one at a time, whoever opens them."""
    inside, seen = 0, list[int]()

    def opening() -> None:
        nonlocal inside
        inside += 1
        seen.append(inside)
        time.sleep(0.02)
        inside -= 1

    ways: list[Callable[[], None]] = [one_at_a_time(opening), lambda: opened(opening, "a model")]
    threads = [threading.Thread(target=way) for way in ways * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [1] * 8


def test_models_and_encoders_that_are_opened_at_once_are_whole() -> None:
    def open_one(number: int) -> str:
        if number % 2:
            return encoder_reader("clip").open(str(TINY / "encoders" / "clip"), "cpu").fingerprint
        return open_model(TINY / "model").fingerprint

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(open_one, range(8)))
    assert found == [open_one(0), open_one(1)] * 4


def test_damage_is_told_in_a_line_and_our_own_errors_stay() -> None:
    def damaged() -> None:
        raise OSError("a header\nof two lines")

    def refused() -> None:
        raise SettingsError("not so")

    with pytest.raises(ModelError, match=r"m is damaged, .*: OSError: a header of two lines"):
        opened(damaged, "m")
    with pytest.raises(SettingsError, match="not so"):
        opened(refused, "m")
