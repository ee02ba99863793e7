"""Laws of killing: what was killed is known to have been."""

from __future__ import annotations

import subprocess
import sys

import psutil

from tests.kills.__main__ import ended

CHILD = "import time; time.sleep(600)"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', '{CHILD}'])"


def test_a_killed_command_is_not_taken_for_one_that_came_to_its_end() -> None:
    """Law: A command that is killed with all its workers is not taken for one that came to its end."""
    running = subprocess.Popen([sys.executable, "-c", PARENT])
    process = psutil.Process(running.pid)
    while not (children := process.children()):
        assert running.poll() is None
    ended(running)
    assert running.returncode == -9
    assert not any(child.is_running() for child in children)
