"""Filter of results by the names of variants."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from bench.core.errors import UserError, nearest
from bench.core.text import matches
from bench.tracking.results import Results

EVERYTHING = "*"


def filter_runs(results: Results, pattern: str) -> Results:
    """Return the results of the variants that match one of the comma-separated globs, with the reference rows of their data.

    Raise a UserError if no variant matches."""
    if pattern == EVERYTHING:
        return results
    runs = results.runs
    ours = runs["kind"] == "run"
    variants = sorted({*runs[ours]["variant"], *(name for study in results.studies for name in _searched(study))})
    matching = [name for name in variants if matches(name, pattern)]
    if not matching:
        raise UserError(f"--only {pattern!r} matches no variant of these results" + nearest(pattern, variants))
    matched = ours & runs["variant"].isin(matching)
    pairs = set(zip(runs[matched]["dataset"], runs[matched]["protocol"], strict=True))
    measured_alike = pd.Series([pair in pairs for pair in zip(runs["dataset"], runs["protocol"], strict=True)], index=runs.index)
    serving = (runs["kind"] == "reference") & measured_alike
    chosen = runs[matched | serving].reset_index(drop=True)
    ids = set(chosen["run_id"])
    return replace(
        results,
        experiments=tuple(sorted(set(runs[matched]["suite"]) - {""})) or results.experiments,
        runs=chosen,
        curves=results.curves[results.curves["run_id"].isin(ids)].reset_index(drop=True),
        protocols=results.protocols[results.protocols["run_id"].isin(ids)].reset_index(drop=True),
        studies=tuple(_part(study, matching) for study in results.studies if set(matching) & set(_searched(study))),
    )


def _searched(study: Mapping[str, Any]) -> Iterable[str]:
    """Return the recorded variants of a study, or no variants if the record cannot be read."""
    variants = study.get("variants")
    return variants if isinstance(variants, dict) else ()


def _part(study: Mapping[str, Any], names: Sequence[str]) -> Mapping[str, Any]:
    """Return the record of a study, with only these variants."""
    return {**study, "variants": {name: study["variants"][name] for name in _searched(study) if name in names}}
