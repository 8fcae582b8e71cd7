"""Groups of runs with the same evaluation protocols, as far as the runs recorded them."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from bench.core.errors import one_line
from bench.metrics.columns import card, measured
from bench.tracking.results import Results
from reports.cohort import text

ID_DIGITS = 8  # digits of a run's id in a title


def protocols_of(results: Results) -> dict[str, dict[str, str]]:
    """Return the evaluation protocols of each run's metrics, from its own record or else from a run with the same overall hash."""
    recorded = results.protocols[results.protocols["key"].isin(measured())]
    own = {str(run): dict(zip(rows["key"], rows["protocol"], strict=True)) for run, rows in recorded.groupby("run_id")}
    hashes = {str(run): text(value) for run, value in zip(results.runs["run_id"], results.runs["protocol"], strict=True)}
    alike = {hashes[run]: known for run, known in own.items() if hashes.get(run)}
    return {run: alike[value] for run, value in hashes.items() if value in alike} | own


@dataclass(frozen=True, kw_only=True)
class ProtocolGroup:
    """Record of runs in which no metric has two evaluation protocols. `unknown` identifies protocols that are not recorded."""

    runs: pd.DataFrame
    protocols: dict[str, str]
    common: frozenset[str] = frozenset()  # metrics with a direction that every finished run with known protocols has
    unknown: str = ""


def by_protocol(runs: pd.DataFrame, protocols: dict[str, dict[str, str]]) -> list[ProtocolGroup]:
    """Return the groups, the largest first. A run without measurements, such as a failed one, is in every group with known protocols.

    The runs of a group have a metric in common that can rank them. A measured run with unknown protocols is only in a group of runs with
    the same overall hash.
    """
    groups: list[tuple[set[str], dict[str, str], set[str]]] = []
    ordered = runs.sort_values(["started", "run_id"], na_position="first")
    for run, status in zip(ordered["run_id"], ordered["status"], strict=True):
        own = protocols.get(run, {})
        if not own:
            continue
        values = own if status == "finished" else measured()  # by any metric, a failed run is last
        ranking = {key for key in values if card(key).direction != "none"}
        for members, known, common in groups:
            if agree(own, known) and common & ranking:
                members.add(run)
                known.update(own)
                common &= ranking
                break
        else:
            groups.append(({run}, dict(own), ranking))
    lone: dict[str, set[str]] = {}
    for run in runs[(runs["status"] == "finished") & _have_values(runs) & ~runs["run_id"].isin(list(protocols))].to_dict("records"):
        lone.setdefault(text(run["protocol"]) or f"of the run {text(run['run_id'])[:ID_DIGITS]}", set()).add(run["run_id"])
    bare = {run for run in runs["run_id"] if not protocols.get(run)}.difference(*lone.values())
    if not groups and (bare or not lone):
        groups = [(set(), {}, set())]
    parts = [
        ProtocolGroup(runs=runs[runs["run_id"].isin(members | bare)], protocols=known, common=frozenset(common))
        for members, known, common in groups
    ]
    parts += [
        ProtocolGroup(runs=runs[runs["run_id"].isin(members)], protocols={}, unknown=one_line(name, most=40))
        for name, members in sorted(lone.items())
    ]
    return sorted(parts, key=lambda part: (bool(part.unknown), -len(part.runs)))


def _have_values(runs: pd.DataFrame) -> pd.Series:
    """Return whether each run has a value of any metric."""
    return runs[[key for key in measured() if key in runs]].notna().any(axis=1)


def agree(one: dict[str, str], two: dict[str, str]) -> bool:
    """Return whether two runs have equal evaluation protocols for the metrics that both have."""
    return all(two.get(key, value) == value for key, value in one.items())
