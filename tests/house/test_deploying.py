"""What the files of a container and of a hosted space say is what the page is."""

from __future__ import annotations

import re

import yaml

from app.runtime.gate import PROBES
from tests.worlds import ROOT


def requirement(name: str) -> str:
    """The pinned version of a requirement."""
    found = re.search(rf"^{name}==(.+)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def test_a_hosted_space_is_told_the_page_and_its_gradio() -> None:
    """Law: A hosted Gradio space runs the same Gradio that is pinned here."""
    _, front, _ = (ROOT / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    said = yaml.safe_load(front)
    assert (said["sdk"], said["sdk_version"]) == ("gradio", requirement("gradio"))
    assert (ROOT / said["app_file"]).is_file()
    assert len(said["short_description"]) <= 60


def test_the_container_copies_what_there_is_and_asks_what_the_page_answers() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    for names in re.findall(r"^COPY (?:--chown=\w+ )?(.+) \S+$", text, re.MULTILINE):
        assert all((ROOT / name).exists() for name in names.split())
    asked = re.findall(r"127\.0\.0\.1:7860(/\w+)", text)
    assert asked
    assert set(asked) <= set(PROBES)
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert not {"assets", "app", "attribution", "cli", "requirements.txt"} & set(ignored)


def test_compose_opens_the_page_to_this_machine_alone() -> None:
    """Law: The compose file opens the page to the machine that it runs on, and to no network."""
    services = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
    assert services.keys() == {"whence", "whence-cuda"}
    assert all(port.startswith("127.0.0.1:") for each in services.values() for port in each["ports"])
