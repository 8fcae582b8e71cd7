"""Runs and suites of two variants on the embedded digits. A run takes about a second."""

from __future__ import annotations

import math
import re
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from bench.core.config import RunConfig, config_for, merged
from bench.runs.types import RunContext
from bench.scheduling.scheduler import Display, ExecutionResult, plan_execution, run_suite
from bench.scheduling.suite import Entry, Suite, plan
from bench.training.loop import never

SETTINGS = {
    "dataset": "digits",
    "device": "cpu",
    "precision": "fp32",
    "memory_format": "channels_last",
    "budget.images": 640,
    "evaluation.marks": 1,
    "evaluation.standard_errors": False,  # they would double the time
    "recipe.width": 8,
}
SUITE = Suite(
    name="small",
    idea="two variants, two seeds, a second each",
    entries=(Entry(variant="label-smoothed"), Entry(variant="dcgan", settings={"recipe.lr_g": 1e-3}, note="a faster G")),
    datasets=("digits",),
    seeds=(0, 1),
    settings={path: value for path, value in SETTINGS.items() if path != "dataset"},
)


def config(variant: str = "label-smoothed", **settings: Any) -> RunConfig:
    """Return a resolved configuration of a run that takes about a second."""
    return config_for(variant, merged(SETTINGS, settings))


def context(uri: str, folder: Path, suite: str = "small") -> RunContext:
    """Return the context of a run."""
    return RunContext(uri=uri, suite=suite, folder=str(folder))


def timeless(path: str) -> str:
    """Return the path of an artifact without the time and the id of an image, which differ between two equal runs."""
    return re.sub(r"timestamp\+\d+\+[0-9a-f-]{36}", "timestamp", path)


def execute(
    uri: str,
    folder: Path,
    *,
    suite: Suite = SUITE,
    workers: int = 1,
    extend: bool = False,
    stop: Any = never,
    display: Display | None = None,
    **choice: Any,
) -> ExecutionResult:
    """Execute the missing runs of the small suite."""
    outlook = plan_execution(suite, plan(suite, **choice), uri=uri, folder=folder, workers=workers, extend=extend, probe=False)
    return run_suite(suite, outlook, uri=uri, folder=folder, stop=stop, display=display or Display())


def copy(original: Path, folder: Path) -> None:
    """Copy a folder with a store `mlflow.db`, its artifacts and its checkpoints, as if its runs had been executed in the copy."""
    shutil.copytree(original, folder, dirs_exist_ok=True)
    with closing(sqlite3.connect(folder / "mlflow.db")) as database, database:
        for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
            database.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (str(original), str(folder)))


def same_numbers(one: Mapping[str, float], two: Mapping[str, float]) -> bool:
    """Return whether both dictionaries have the same keys in the same order and the same values. NaN equals NaN."""
    return list(one) == list(two) and all(value == two[key] or (math.isnan(value) and math.isnan(two[key])) for key, value in one.items())


def unknown(values: Mapping[str, float]) -> set[str]:
    """Return the keys of undetermined values."""
    return {key for key, value in values.items() if math.isnan(value)}


def final_values(uri: str, experiment: str = "small") -> dict[tuple[str, int], dict[str, float]]:
    """Return the final metrics of each (variant, seed), without times and undetermined values."""
    from bench.tracking.results import load

    runs = load(uri, (experiment,)).runs
    runs = runs[runs["kind"] == "run"]
    keys = [key for key in runs.columns if key.split("/")[0] in ("quality", "diversity", "modes", "train")]
    return {(row["variant"], row["seed"]): {key: row[key] for key in keys if not math.isnan(row[key])} for row in runs.to_dict("records")}
