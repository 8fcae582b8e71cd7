"""Section on the origin of the numbers: evaluation protocols, versions and hardware, and the command that repeats each run."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pandas as pd

from bench.core.text import pluralise
from bench.metrics.columns import CARDS
from bench.tracking.results import ENVIRONMENT
from reports.budget import RunBudget, budget_of
from reports.cohort import Cohort, seed_text, settings_of, text
from reports.document import Block, Cell, Column, Heading, Row, Section, Table, Text
from reports.format import NOTHING
from reports.sections.common import name_cell
from reports.stats import LARGEST
from reports.view import View

TITLE = "Environment and protocol"
SHORT = 12  # digits of a hash in a table


def build(view: View) -> Section | None:
    """Return evaluation protocols, environments and runs, or None without any run."""
    if not view.cohorts:
        return None
    blocks = [*_protocols(view), *_environment(view), *_runs(view)]
    return Section(id="provenance", title=TITLE, blocks=tuple(blocks))


def _protocols(view: View) -> list[Block]:
    """Return a table of the evaluation protocols with a column for each cohort."""
    keys = [key for key in CARDS if any(key in cohort.protocols for cohort in view.cohorts)]
    if not keys:
        return []
    rows = [
        Row(
            cells=(
                Cell(text=CARDS[key].title),
                *(Cell(text=cohort.protocols.get(key, NOTHING)[:SHORT], code=True) for cohort in view.cohorts),
            )
        )
        for key in keys
    ]
    columns = (Column(title="metric", align="left"), *(Column(title=_head(cohort), align="left") for cohort in view.cohorts))
    note = "An evaluation protocol is a hash of the data, the reference split, the number of images, the extractor's weights and the metric's definition."
    return [
        Heading(text="Evaluation protocols"),
        Table(columns=columns, rows=tuple(rows), notes=(note,), folded="Evaluation protocol of each metric"),
    ]


def _head(cohort: Cohort) -> str:
    return cohort.title or "evaluation protocol"


def _environment(view: View) -> list[Block]:
    """Return a row for each fact. If runs differ, the row has every value with its number of runs."""
    found: dict[str, dict[str, int]] = {}
    for run_id in view.runs["run_id"]:
        for key, value in (view.results.read_json(run_id, ENVIRONMENT) or {}).items():
            values = found.setdefault(str(key), {})
            values[_words(value)] = values.get(_words(value), 0) + 1
    if not found:
        return []
    rows = []
    for key, values in found.items():
        texts = [value if len(values) == 1 else f"{value} ({pluralise(n, 'run')})" for value, n in sorted(values.items())]
        rows.append(Row(cells=(Cell(text=key.replace("_", " ")), Cell(text="; ".join(texts)))))
    columns = (Column(title="", align="left"), Column(title="", align="left"))
    return [Heading(text="Environment"), Table(columns=columns, rows=tuple(rows))]


def _words(value: Any) -> str:
    """Return a fact as text, or a dash for a missing one, a list, or a number that is not finite."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value or NOTHING
    return str(value) if isinstance(value, (int, float)) and abs(value) < LARGEST else NOTHING


def _runs(view: View) -> list[Block]:
    runs = view.runs
    rows = [
        Row(
            cells=(
                name_cell(run["entry"], view.palette),
                Cell(text=seed_text(run["seed"])),
                Cell(text=run["status"]),
                Cell(text=text(run["run_id"]), code=True, detail=_extends(run)),
                Cell(text=text(run["fingerprint"])[:SHORT] or NOTHING, code=True),
                Cell(
                    text=command(run["variant"], run["dataset"], int(run["seed"]), text(run["overrides"]), budget_of(run.to_dict())),
                    code=True,
                ),
            )
        )
        for _, run in runs.iterrows()
    ]
    titles = ("", "seed", "status", "run", "fingerprint", "the command that repeats it")
    table = Table(
        columns=tuple(Column(title=title, align="left") for title in titles), rows=tuple(rows), folded=f"All {pluralise(len(rows), 'run')}"
    )
    blocks: list[Block] = [Heading(text="Runs"), table]
    if view.superseded:
        blocks.append(Text(text=f"{pluralise(view.superseded, 'older run')} of the same configuration and seed left out.", tone="note"))
    return blocks


def _extends(run: pd.Series) -> str:
    """Return the run that this one extends, in words. It is empty if it extends none."""
    before = text(run["extends"])
    return f"extends {before[:SHORT]}" if before else ""


def command(variant: str, dataset: str, seed: int, overrides: str, budget: RunBudget) -> str:
    """Return the shell command that repeats a run from its start. `overrides` is JSON text of the run's changes to the variant.

    The command has the recorded budget, because an extended run has a longer one than its first, and defaults change.
    """
    settings = settings_of(overrides)
    if budget.unit:
        settings = {path: value for path, value in settings.items() if not path.startswith("budget.")}
        settings[f"budget.{budget.unit}"] = budget.number
    parts = ["ganbench", "run", variant, "--dataset", dataset, *(["--seed", str(seed)] if seed >= 0 else [])]
    for path, value in sorted(settings.items()):
        parts += ["--set", f"{path}={value if isinstance(value, str) else json.dumps(value)}"]
    return shlex.join(parts)
