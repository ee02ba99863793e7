"""How many examples are made: few and always the same in the suite, many and new ones by a word.

python -m pytest tests/properties --hypothesis-profile=thorough
"""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, Phase, settings

UNTIMED: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
    "phases": [Phase.explicit, Phase.generate, Phase.shrink],
}
settings.register_profile("suite", max_examples=30, derandomize=True, database=None, **UNTIMED)
settings.register_profile("thorough", max_examples=2000, database=None, print_blob=True, **UNTIMED)
settings.load_profile("suite")
