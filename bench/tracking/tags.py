"""MLflow's own tags, and readers of the tags and times of a recorded run, which any program may have written. Does not import torch."""

from __future__ import annotations

import getpass
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pandas as pd

FINGERPRINT = re.compile("[0-9a-f]{16}")
RUN_ID = re.compile("[0-9A-Za-z][0-9A-Za-z_-]{0,127}")  # safe as the name of a folder. MLflow's own ids are 32 hexadecimal digits
LOGGED_ARTIFACTS = "mlflow.loggedArtifacts"  # a JSON list of {path, type} that MLflow's pages read. `log_table` also writes it
EXPERIMENT_KIND, MODEL_TRAINING = "mlflow.experimentKind", "custom_model_development"  # opens MLflow's pages for training, not for GenAI
_SEED = re.compile("[0-9]{1,10}")


def seed_of(tags: Mapping[str, str]) -> int:
    """Return the training seed, or -1 if the tags have no valid seed."""
    seed = tags.get("seed", "")
    return int(seed) if _SEED.fullmatch(seed) else -1


def moment_of(milliseconds: int | None) -> Any:
    """Return a time of MLflow as a pandas timestamp, or NaT if it is missing or invalid."""
    return pd.NaT if milliseconds is None else pd.to_datetime(milliseconds, unit="ms", utc=True, errors="coerce")


def origin_tags(commit: str | None, changed: bool | None) -> dict[str, str]:
    """Return the tags for MLflow's columns Source, Version and User. `commit` is that of the code, None outside git.

    A user without a name, as in some containers, has no tag.
    """
    tags = {"mlflow.source.name": "ganbench", "mlflow.source.type": "LOCAL"}
    if commit is not None:
        tags["mlflow.source.git.commit"] = commit
    if commit is not None and changed is not None:
        tags["mlflow.source.git.dirty"] = str(changed).lower()
    with suppress(ImportError, KeyError, OSError):
        tags["mlflow.user"] = getpass.getuser()
    return tags
