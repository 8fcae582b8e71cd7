"""Section on all metrics: the measured metrics in their groups."""

from __future__ import annotations

import math
from dataclasses import replace

from synthetic_results import FID, NEW, SyntheticRun, complete, points, references, results, synthetic_runs

from bench.metrics.columns import BUILT_IN, card, measured
from reports.document import Table
from reports.sections import all_metrics, glossary
from reports.sections.metric_tables import median_cell
from reports.view import view

TWO = {"a": (10.0, 11.0, 12.0), "b": (20.0, 21.0, 22.0)}


def tables(runs: list[SyntheticRun]) -> dict[str, Table]:
    prepared = view(results(runs))
    found = [block for cohort in prepared.cohorts for block in all_metrics.tables(cohort, prepared.palette)]
    return {block.folded.removeprefix("Every metric of "): block for block in found if isinstance(block, Table)}


def test_a_table_for_each_group_in_order() -> None:
    found = tables(complete([*synthetic_runs(TWO), *references()]))
    assert list(found) == ["quality", "diversity", "modes", "memorisation"]
    for group, table in found.items():
        assert len(table.columns) == 1 + len({key for key in (*NEW, FID) if key.startswith(group)}) + {
            "quality": 2,
            "diversity": 2,
            "modes": 2,
        }.get(group, 0)
        assert {len(row.cells) for row in table.rows} == {len(table.columns)}
        assert [row.cells[0].text for row in table.rows] == ["a", "b", "real", "untrained"]


def test_the_error_is_that_of_one_run() -> None:
    """The error is the root mean square of the runs' errors: 0.408 for 0.3, 0.4 and 0.5."""
    runs = [replace(run, metrics={f"{FID}_se": 0.3 + 0.1 * run.seed}) for run in synthetic_runs({"a": TWO["a"]})]
    (cohort,) = view(results(runs)).cohorts
    cell = median_cell(cohort.entries[0], FID)
    assert (cell.text, cell.detail) == ("11.0", "± 0.408")
    assert "± is the half-sample standard error" in tables(runs)["quality"].caption
    assert "±" not in tables(synthetic_runs(TWO))["quality"].caption


def test_metrics_of_other_data_are_no_columns() -> None:
    found = tables(points({"c": (0.1, 0.2, 0.3)}))
    assert list(found) == ["modes"]
    assert len(found["modes"].columns) == 4


def test_collapse_that_could_not_be_judged() -> None:
    runs = [replace(run, metrics={"modes/collapse": math.nan}) for run in synthetic_runs({"a": TWO["a"]})]
    table = tables(runs)["modes"]
    assert [(cell.text, cell.tone) for cell in table.rows[0].cells][-1] == ("not judged", "muted")


def test_every_group_of_built_in_metrics_has_its_place() -> None:
    groups = {card(key).group for key in measured() if key in BUILT_IN}
    assert groups == set(all_metrics.GROUPS)
    assert groups < set(glossary.GROUPS)
