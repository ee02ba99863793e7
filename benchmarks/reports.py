"""What a benchmark hands back, and how it comes into the documentation."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from attribution.models.engine_setting import engine_asked_for
from evaluation.reports import figures_as_json, update_block

DOCUMENT = "PERFORMANCE.md"  # of most
FOLDER = "performance"  # beside them: figures and drawings


@dataclass(frozen=True)
class Report:
    """Figures for machines, Markdown for people, drawings (SVG) by file name, and where it is put."""

    figures: Mapping[str, Any]
    markdown: str
    drawings: Mapping[str, str] = field(default_factory=dict)
    document: str = DOCUMENT


def publish(report: Report, name: str, docs: Path) -> None:
    """Put the report between its marks in the document; figures and drawings into the folder beside it."""
    folder, document = docs / FOLDER, docs / report.document
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(figures_as_json(report.figures), encoding="utf-8")
    for file, drawing in report.drawings.items():
        (folder / file).write_text(drawing, encoding="utf-8")
    update_block(document, name, report.markdown)


def machine(device: str = "cpu") -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else "cpu",
        "torch": torch.__version__,
        "engine": engine_asked_for(device),
    }


def small_print(facts: Mapping[str, Any]) -> str:
    """Facts about a measurement, in small print."""
    return "<sub>" + ", ".join(f"{key} {value}" for key, value in facts.items()) + ".</sub>\n"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()
