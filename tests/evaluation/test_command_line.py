"""Laws of `python -m evaluation`."""

from __future__ import annotations

import pytest

from evaluation.__main__ import main, parser
from evaluation.protocols import Protocol, protocols
from evaluation.studies import Study, studies
from tests.worlds import TINY


def test_an_unknown_method_is_one_line_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["locality", "--workspace", str(TINY / "workspace"), "--methods", "astrology"]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "astrology" in told
    assert "pixel" in told


def test_every_protocol_is_a_command() -> None:
    for name, protocol in protocols().items():
        assert isinstance(protocol, Protocol)
        assert protocol.name == name
        assert parser().parse_args([name]).protocol == name


def test_every_study_is_a_command() -> None:
    for name, study in studies().items():
        assert isinstance(study, Study)
        assert study.name == name
        needed = ["--exhaustive", "a", "b"] if name == "agreement" else []
        assert parser().parse_args([name, *needed]).protocol == name
