"""Export of results as tidy files for any tool: runs.csv, protocols.csv, curves.csv and about.json.

docs/tidy-results.md is their contract, and `FORMAT` its version. The same results give the same bytes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from bench.metrics.columns import BEST, CARDS, SE, measured
from bench.tracking.curves import CURVE_COLUMNS, curve
from bench.tracking.results import ENVIRONMENT, PROTOCOL_COLUMNS, RUN_COLUMNS, Results
from reports.budget import PREFIX, budget_of
from reports.cohort import version
from reports.io import write_all

FORMAT = 1  # raise it if you remove a column of the contract or change its meaning
RUNS, PROTOCOLS, CURVES, ABOUT = "runs.csv", "protocols.csv", "curves.csv", "about.json"
BUDGET_COLUMNS = ("budget", "budget_unit")
ORDER = ["kind", "suite", "dataset", "variant", "seed", "started", "run_id"]


def write_csv(results: Results, folder: Path) -> None:
    """Write the four files into a folder, and create it if needed. Raise a UserError for a folder that cannot be written."""
    files = {
        RUNS: _csv(runs_frame(results)),
        PROTOCOLS: _csv(_sorted(results.protocols, PROTOCOL_COLUMNS)),
        CURVES: _csv(curves_frame(results)),
        ABOUT: (json.dumps(about(results), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode(),
    }
    write_all({folder / name: data for name, data in files.items()}, f"the tidy results to {str(folder)!r}")


def runs_frame(results: Results) -> pd.DataFrame:
    """Return one row for each run, training runs before reference rows: identity, budget, metrics in the order of their cards, settings."""
    runs = results.runs.assign(_reference=results.runs["kind"] == "reference").sort_values(["_reference", *ORDER], kind="stable")
    budgets = [budget_of(run) for run in runs.to_dict("records")]
    identity = runs[list(RUN_COLUMNS)].assign(
        started=[when.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if isinstance(when, pd.Timestamp) else "" for when in runs["started"]],
        budget=[str(budget.number) if budget.unit else "" for budget in budgets],
        budget_unit=[budget.unit for budget in budgets],
    )
    keys = [key for key in _with_errors(CARDS) if key in runs]
    settings = sorted(name for name in map(str, runs.columns) if name.startswith("param:") and not name.startswith(PREFIX))
    return pd.concat([identity, runs[[*keys, *settings]]], axis=1).reset_index(drop=True)


def curves_frame(results: Results) -> pd.DataFrame:
    """Return the metrics of each run at its evaluation points and at its end, without the losses and other scalars of training."""
    return _sorted(curve(results.curves, _with_errors(measured())), CURVE_COLUMNS)


def _with_errors(keys: Iterable[str]) -> list[str]:
    """Return the keys, each before its standard error, then those of the best checkpoint."""
    pairs = [key for plain in keys for key in (plain, f"{plain}{SE}")]
    return [*pairs, *(f"{BEST}{key}" for key in pairs)]


def about(results: Results) -> dict[str, Any]:
    """Return the origin of the rows: versions, data, budgets, evaluation protocols, machines and the date of the newest run.

    It has no address of a store, and no path except in the names of `folder:PATH` data, which are those of the run table.
    """
    runs = results.runs[results.runs["kind"] == "run"]
    facts = [results.read_json(str(run), ENVIRONMENT) or {} for run in runs["run_id"]]
    started = runs["started"].dropna()
    return {
        "format": FORMAT,
        "suites": _values(runs["suite"]),
        "datasets": _values(runs["dataset"]),
        "budgets": sorted({budget_of(run).words for run in runs.to_dict("records")}),
        "tracks": _values(runs["track"]),
        "results_versions": _values(runs["results_version"].map(version)),
        "variants": {
            str(name): _values(group["variant_version"].map(version)) for name, group in runs.groupby("variant", sort=True) if name
        },
        "protocols": _protocols(results),
        "machines": {key: _distinct([fact.get(key) for fact in facts]) for key in sorted({key for fact in facts for key in fact})},
        "runs": len(runs),
        "newest_run": f"{max(started):%Y-%m-%d}" if len(started) else "",
    }


def _protocols(results: Results) -> dict[str, dict[str, list[str]]]:
    """Return the hashes of each metric's evaluation protocol, by dataset: one hash unless runs used different protocols."""
    data = dict(zip(results.runs["run_id"], results.runs["dataset"], strict=True))
    rows = results.protocols.assign(dataset=results.protocols["run_id"].map(data))
    return {
        str(dataset): {str(key): _values(own["protocol"]) for key, own in group.groupby("key", sort=True)}
        for dataset, group in rows.groupby("dataset", sort=True)
    }


def _values(column: pd.Series) -> list[str]:
    return sorted({str(value) for value in column if value})


def _distinct(values: list[Any]) -> list[Any]:
    """Return the distinct plain values in a fixed order, without texts that are paths on a machine."""
    plain = [value for value in values if (not _is_path(value) if isinstance(value, str) else _is_number(value))]
    return [json.loads(text) for text in sorted({json.dumps(value) for value in plain})]


def _is_number(value: object) -> bool:
    return isinstance(value, (bool, int)) or (isinstance(value, float) and math.isfinite(value))


def _is_path(value: str) -> bool:
    return value.startswith(("/", "~", "\\\\")) or value[1:3] == ":\\"


def _sorted(frame: pd.DataFrame, columns: tuple[str, ...]) -> pd.DataFrame:
    return frame[list(columns)].sort_values(list(columns), kind="stable", ignore_index=True)


def _csv(frame: pd.DataFrame) -> bytes:
    """Return a frame as UTF-8 CSV with "\\n" line ends. A float is the shortest text that parses to the same float. A missing value is empty."""
    return bytes(frame.to_csv(index=False, lineterminator="\n").encode())
