"""Laws of Ray's beginning: what is said without it, or where it is slow or not there at all."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest

from attribution.errors import SettingsError, WhenceError
from attribution.workspace.executors.base import Asked, opened_executor
from attribution.workspace.executors.ray import TRIES, _opened
from attribution.workspace.executors.workers import WithWorkers


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="Ray is installed")
def test_without_ray_it_is_said_how_to_get_it() -> None:
    with pytest.raises(SettingsError, match=r"pip install -e .\[scale\]"):
        opened_executor("ray", Asked(), "cpu")


@pytest.mark.parametrize(
    ("address", "words"),
    [("10.0.0.1:6379", "there is no Ray cluster at 10.0.0.1:6379: no answer"), (None, "Ray did not begin")],
)
def test_ray_that_does_not_begin_is_said_in_one_line_and_is_let_go_of(
    address: str | None, words: str
) -> None:
    class Sulking(ModuleType):
        shut_down = False

        def init(self, *_: object, **__: object) -> None:
            raise Exception("no\nanswer")  # as Ray does

        def shutdown(self) -> None:
            self.shut_down = True

    ray = Sulking("ray")
    with pytest.raises(WhenceError, match=words), _opened(ray, Asked(address=address), "cpu"):
        pass
    assert ray.shut_down


def test_ray_that_begins_slowly_is_begun_again() -> None:
    class Slow(ModuleType):
        tries = 0

        def init(self, *_: object, **__: object) -> None:
            self.tries += 1
            if self.tries < TRIES:
                raise Exception("the current node timed out during startup")  # as Ray does, after 30 s

        def remote(self, **_: object) -> object:
            return lambda kind: kind

        def cluster_resources(self) -> dict[str, float]:
            return {"CPU": 2.0}

        def shutdown(self) -> None: ...

    ray = Slow("ray")
    with _opened(ray, Asked(workers=1), "cpu") as executor:
        assert isinstance(executor, WithWorkers)
    assert ray.tries == TRIES
