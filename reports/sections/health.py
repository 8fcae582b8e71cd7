"""Section on the health of the runs: runs that did not finish, health flags, and metrics without a value."""

from __future__ import annotations

from typing import Any

import pandas as pd

from bench.core.text import pluralise
from bench.metrics.columns import SE, card, is_metric
from bench.tracking.results import EVIDENCE
from reports.cohort import seed_text, text
from reports.document import Block, Cell, Column, Heading, Row, Section, Table, Text
from reports.format import NOTHING, count
from reports.palette import Palette
from reports.sections.common import name_cell
from reports.stats import LARGEST
from reports.view import View

TITLE = "Health"


def build(view: View) -> Section | None:
    """Return failures, flags and reasons of all runs, or a sentence if none was recorded. Without any run, return None."""
    runs = view.runs
    if runs.empty:
        return None
    evidence = {run_id: view.results.read_json(run_id, EVIDENCE) or {} for run_id in runs["run_id"]}
    blocks = [*_unfinished(runs, view.palette), *_flags(runs, evidence, view.palette), *_reasons(runs, evidence, view.palette)]
    if not blocks:
        metrics = "" if any(cohort.unmeasured for cohort in view.cohorts) else " and every metric could be judged"
        no_flag = f"{', ' if metrics else ' and '}no health flag was raised"
        blocks = [Text(text=f"All {pluralise(len(runs), 'run')} finished{no_flag}{metrics}.")]
    return Section(id="health", title=TITLE, blocks=tuple(blocks))


def _unfinished(runs: pd.DataFrame, palette: Palette) -> list[Block]:
    rows = [
        Row(
            cells=(
                name_cell(run["entry"], palette),
                Cell(text=seed_text(run["seed"])),
                Cell(text=run["status"], tone="bad"),
                Cell(text=text(run["reason"]) or NOTHING),
            )
        )
        for _, run in runs[runs["status"] != "finished"].iterrows()
    ]
    return _table("Runs that did not finish", ("status", "reason"), rows)


def _flags(runs: pd.DataFrame, evidence: dict[str, dict[str, Any]], palette: Palette) -> list[Block]:
    """Return flags raised in training. Equal flags of several seeds share a row."""
    found: dict[tuple[str, str, str], list[tuple[int, str]]] = {}
    for _, run in runs.iterrows():
        for flag in _list(evidence[run["run_id"]].get("health")):
            key = (run["entry"], _text(flag.get("flag")), _text(flag.get("message")))
            found.setdefault(key, []).append((int(run["seed"]), _images(flag.get("since_images"))))
    rows = [
        Row(
            cells=(
                name_cell(entry, palette),
                Cell(text=", ".join(seed_text(seed) for seed, _ in where)),
                Cell(text=flag, tone="bad"),
                Cell(text=", ".join(dict.fromkeys(since for _, since in where))),
                Cell(text=message),
            )
        )
        for (entry, flag, message), where in found.items()
    ]
    return _table("Flags", ("flag", "since images", "meaning"), rows)


def _reasons(runs: pd.DataFrame, evidence: dict[str, dict[str, Any]], palette: Palette) -> list[Block]:
    """Return metrics without a value, with the recorded reason. Equal reasons of several seeds share a row."""
    found: dict[tuple[str, str, str], list[int]] = {}
    for _, run in runs.iterrows():
        recorded = evidence[run["run_id"]].get("reasons")
        reasons = {key: reason for key, reason in recorded.items() if isinstance(reason, str)} if isinstance(recorded, dict) else {}
        for key, reason in sorted(reasons.items()):
            if key.endswith(SE) and key.removesuffix(SE) in reasons:  # one reason covers a metric and its standard error
                continue
            title = card(key).title if is_metric(key) else key
            found.setdefault((run["entry"], title, reason), []).append(int(run["seed"]))
    metrics: dict[tuple[str, str, str], list[str]] = {}  # metrics with one cause share a row
    for (entry, title, reason), where in found.items():
        metrics.setdefault((entry, ", ".join(map(seed_text, where)), reason), []).append(title)
    rows = [
        Row(cells=(name_cell(entry, palette), Cell(text=seeds), Cell(text=", ".join(titles)), Cell(text=reason)))
        for (entry, seeds, reason), titles in metrics.items()
    ]
    return _table("Not judged", ("metric", "reason"), rows)


def _table(title: str, columns: tuple[str, ...], rows: list[Row]) -> list[Block]:
    heads = tuple(Column(title=column, align="left") for column in ("", "seed", *columns))
    return [Heading(text=title), Table(columns=heads, rows=tuple(rows))] if rows else []


def _list(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _images(value: object) -> str:
    return count(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < LARGEST else NOTHING
