"""The rows of a Parquet table as plain values, where it names its pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from attribution.errors import TrainingSetError

INSTALL = "pip install -e .[data]"  # in the checkout


def parquet_rows(path: Path) -> list[dict[str, Any]]:
    """The rows in their order, by column, as JSON would have them: nothing is NaN, no date is an object.

    Raises:
        TrainingSetError: what reads Parquet is not installed, or the file is damaged.
    """
    import pandas as pd

    try:
        rows: list[dict[str, Any]] = pd.read_parquet(path).to_dict("records")
    except ImportError:
        raise TrainingSetError(
            f"{path} needs pyarrow to be read: install it with `{INSTALL}`, or write the table as "
            "metadata.csv"
        ) from None
    except Exception as problem:  # a reader that is fed a damaged file may raise anything
        reason = " ".join(str(problem).split())[:110]
        raise TrainingSetError(f"{path} cannot be read as Parquet: {reason}") from None
    return [{str(name): plain(value) for name, value in row.items()} for row in rows]


def plain(value: Any) -> Any:
    """A value of a cell as plain JSON; what JSON does not have is its text."""
    if isinstance(value, np.ndarray | list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value != value or str(value) in ("<NA>", "NaT"):
        return None
    return value if isinstance(value, bool | int | float | str | bytes) else str(value)
