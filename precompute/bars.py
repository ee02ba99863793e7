"""Progress for a person: a bar with rate and time left on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from precompute.running import Step

QUIET = 10.0  # seconds between lines where there is no terminal


class RateAndTimeLeft(ProgressColumn):
    """Rows a second in this sitting, and the time left at that rate."""

    def render(self, task: Task) -> Text:
        return Text(rate_and_time_left(task.fields["fresh"], task.remaining or 0, task.elapsed or 0))


def rate_and_time_left(fresh: int, remaining: float, seconds: float) -> str:
    """In words; empty before anything is known."""
    if not fresh or seconds <= 0:
        return ""
    rate = fresh / seconds
    left = round(remaining / rate)
    shown = f"{left // 3600}h {left % 3600 // 60:02d}m" if left >= 3600 else f"{left // 60}:{left % 60:02d}"
    return f"{rate:,.1f}/s" + (f", {shown} left" if remaining else f", {seconds:,.0f} s")


def show(steps: Iterable[Step]) -> None:
    """Run a job to its end, showing how far it is. On stderr."""
    console = Console(stderr=True)
    if console.is_terminal:
        _on_terminal(steps, console)
    else:
        _in_lines(steps)


def _on_terminal(steps: Iterable[Step], console: Console) -> None:
    with _bars(console) as bars:
        task = None
        for step in steps:
            if step.note:
                bars.console.print(f"[dim]{step.artifact}: {step.note}[/dim]", highlight=False)
            if task is None:
                task = bars.add_task(step.artifact, total=step.total, fresh=0)
            bars.update(task, description=step.artifact, completed=step.done, fresh=step.fresh)


@contextmanager
def _bars(console: Console) -> Iterator[Progress]:
    columns = (TextColumn("{task.description:<20}"), BarColumn(), MofNCompleteColumn(), RateAndTimeLeft())
    with Progress(*columns, console=console) as bars:
        yield bars


def _in_lines(steps: Iterable[Step]) -> None:
    started = last = time.monotonic()
    for step in steps:
        now = time.monotonic()
        if step.note:
            print(f"{step.artifact}: {step.note}", file=sys.stderr, flush=True)
        if step.fresh and (now - last > QUIET or step.done == step.total):
            words = rate_and_time_left(step.fresh, step.total - step.done, now - started)
            print(
                f"{step.artifact}: {step.done:,}/{step.total:,} {step.unit}, {words}",
                file=sys.stderr,
                flush=True,
            )
            last = now


@contextmanager
def counting(label: str) -> Iterator[Callable[[int, int], None]]:
    """A bar for something that reports (done, total), such as hashing a training set."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda done, total: None
        return
    with _bars(console) as bars:
        task = bars.add_task(label, total=None, fresh=0)
        yield lambda done, total: bars.update(task, completed=done, total=total, fresh=done)
