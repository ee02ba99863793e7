"""Laws of `pip install -e .`, tried in an environment of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.worlds import ROOT


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources alone, for pip writes beside them; the assets are a link."""
    folder = tmp_path_factory.mktemp("checkout")
    for package in sorted(path.parent for path in ROOT.glob("*/__init__.py")):
        shutil.copytree(package, folder / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE", "app.py"):
        shutil.copy(ROOT / name, folder)
    for path in ROOT.glob("requirements*.txt"):
        shutil.copy(path, folder)
    (folder / "assets").symlink_to(ROOT / "assets")
    return folder


@pytest.fixture(scope="module")
def binaries(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that sees this one's libraries, with the checkout installed and nothing fetched."""
    environment = tmp_path_factory.mktemp("environment") / "venv"
    venv.create(environment, with_pip=False, symlinks=True)
    python = environment / "bin" / "python"
    asked = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = subprocess.run([python, "-c", asked], check=True, capture_output=True, text=True).stdout.strip()
    Path(site, "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    install = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    install += ["install", "--no-index", "--no-deps", "--no-build-isolation", "--editable", str(checkout)]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return environment / "bin"


def called(binaries: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What the installed command says, called from a folder that is not the checkout."""
    command = [binaries / "whence", *arguments]
    return subprocess.run(command, cwd=binaries, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.slow
def test_an_installation_that_can_be_edited_gives_the_command(binaries: Path) -> None:
    assert called(binaries, "--version").stdout == "whence 0.1.0\n"
    done = called(binaries, "attribute", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: whence attribute ")


@pytest.mark.slow
def test_the_installed_command_finds_the_embedded_world(binaries: Path, checkout: Path) -> None:
    code = "from cli.commands import EMBEDDED; print(EMBEDDED)"
    told = subprocess.run([binaries / "python", "-c", code], cwd=binaries, capture_output=True, text=True)
    assert told.stdout.strip() == str(checkout / "assets" / "demo" / "workspace")
    refused = called(binaries, "app", "--port", "1", "--host", "203.0.113.1")
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: port 1 of 203.0.113.1 is taken")


@pytest.mark.slow
def test_what_is_installed_is_what_is_pinned(binaries: Path) -> None:
    code = "import importlib.metadata as m; print(*m.requires('whence'), sep='\\n')"
    told = subprocess.run([binaries / "python", "-c", code], cwd=binaries, capture_output=True, text=True)
    needed = [line for line in told.stdout.splitlines() if "extra ==" not in line]
    pinned = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert needed == [line for line in pinned if line and not line.startswith("#")]
    assert needed[0].startswith("torch==")
