"""Reader of published results: a folder that `reports.export` wrote, as `Results` without curves and artifacts."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bench.core.errors import UserError, one_line
from bench.metrics.columns import is_metric
from bench.tracking.artifacts import Artifacts
from bench.tracking.curves import CURVE_COLUMNS
from bench.tracking.results import PROTOCOL_COLUMNS, RUN_COLUMNS, Results
from reports.budget import PREFIX, WORDS
from reports.export import ABOUT, BUDGET_COLUMNS, FORMAT, PROTOCOLS, RUNS

LATER = (
    "headline",
    "best_metric",
    "variant_source",
    "study",
    "phase",
    "trial",
    "recipe",
)  # columns added after the first published results of this format


def read_baseline(folder: Path) -> tuple[Results, str]:
    """Return the results in a folder and the date of their newest run. Raise a UserError for a folder without such results."""
    about = _about(folder)
    needed = [name for name in (*RUN_COLUMNS, *BUDGET_COLUMNS) if name not in LATER]
    table = _table(folder, RUNS, needed)
    runs = _typed(table.assign(**{name: "" for name in LATER if name not in table}), folder)
    if not (runs["kind"] == "run").any():
        raise UserError(f"the baseline {str(folder)!r} has no run; export recorded runs with `ganbench report --csv`")
    suites = about.get("suites")
    found = Results(
        uri=str(folder),
        experiments=tuple(map(str, suites)) if isinstance(suites, list) else (),
        runs=runs,
        curves=pd.DataFrame(columns=list(CURVE_COLUMNS)),
        protocols=_table(folder, PROTOCOLS, PROTOCOL_COLUMNS),
        artifacts=Artifacts(None, {}),
    )
    return found, str(about.get("newest_run", ""))


def _about(folder: Path) -> dict[str, Any]:
    try:
        about = json.loads(_bytes(folder, ABOUT))
    except ValueError as error:
        raise UserError(f"{str(folder / ABOUT)!r} is not JSON: {one_line(error, most=120)}; export it again") from error
    written = about.get("format") if isinstance(about, dict) else None
    if written != FORMAT:
        raise UserError(f"{str(folder / ABOUT)!r} has format {written!r}; export it again in format {FORMAT}")
    return dict(about)


def _table(folder: Path, name: str, needed: Sequence[str]) -> pd.DataFrame:
    """Return a CSV file as text columns. Raise a UserError for a file without a needed column."""
    try:
        frame = pd.read_csv(io.BytesIO(_bytes(folder, name)), dtype=str, keep_default_na=False, encoding="utf-8")
    except ValueError as error:  # pandas' parser errors and unicode errors
        raise UserError(f"{str(folder / name)!r} is not a CSV table: {one_line(error, most=120)}; export it again") from error
    missing = [column for column in needed if column not in frame]
    if missing:
        raise UserError(f"{str(folder / name)!r} lacks the column {missing[0]!r}; export it again")
    return frame


def _bytes(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise UserError(
            f"--check: {str(folder)!r} is not a folder written by `ganbench report --csv`: {name}: {error.strerror or error}"
        ) from error


def _typed(frame: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Return the run table in the form of `Results.runs`: numbers, dates, and the budget as the parameter of its unit."""
    keys = [name for name in frame if is_metric(str(name))]
    try:
        frame["seed"] = frame["seed"].astype("int64")
        frame["started"] = pd.to_datetime(frame["started"].replace("", None), utc=True, format="ISO8601")
        for key in keys:
            frame[key] = [float(value) if value else float("nan") for value in frame[key]]
    except (ValueError, OverflowError) as error:
        raise UserError(f"{str(folder / RUNS)!r} has an unreadable value: {one_line(error, most=120)}; export it again") from error
    unknown = sorted(set(frame["budget_unit"]) - {"", *WORDS})
    if unknown:
        raise UserError(f"{str(folder / RUNS)!r} has the unknown budget_unit {unknown[0]!r}; known units: {', '.join(WORDS)}")
    for unit in WORDS:
        frame[f"{PREFIX}{unit}"] = frame["budget"].where(frame["budget_unit"] == unit, "None")
    return frame.copy()  # in one block: pandas warns if columns are added to a hundred blocks
