"""What the tags and times of a recorded run tell: anybody may have written them. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

FINGERPRINT = re.compile("[0-9a-f]{16}")
_SEED = re.compile("[0-9]{1,10}")


def seed_of(tags: Mapping[str, str]) -> int:
    """The training seed; -1 where the tags tell none."""
    told = tags.get("seed", "")
    return int(told) if _SEED.fullmatch(told) else -1


def moment_of(milliseconds: int | None) -> Any:
    """A time as MLflow has it, as a pandas timestamp; not-a-time where it has none, or one that is none."""
    return pd.NaT if milliseconds is None else pd.to_datetime(milliseconds, unit="ms", utc=True, errors="coerce")
