"""Section on the spread between runs: groups of tables, shares of planted spreads, and missing data."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from synthetic_results import FID, SyntheticRun, references, results, synthetic_runs

from bench.tracking.results import Results
from reports.build import build as whole
from reports.document import Figure, Table, Text
from reports.html import html
from reports.sections.seed_spread import build, entry_spreads, spread_groups
from reports.seed_spread import ALL, STREAMS
from reports.view import view

KID = "quality/kid_classifier"
SPREADS = {"init": 0.2, "data": 0.02, "noise": 0.02, ALL: 0.21}  # standard deviations of log FID


def varied(spreads: dict[str, float], seeds: int = 8, names: tuple[str, ...] = ("a", "b")) -> list[SyntheticRun]:
    """Return runs with exactly these spreads. Runs in which all streams follow the seed do not record them."""
    normal = np.random.default_rng(0).normal(size=seeds)
    steps = (normal - normal.mean()) / normal.std(ddof=1)
    found = []
    for vary, deviation in spreads.items():
        columns = {} if vary == ALL else {"param:vary": vary}
        values = {name: np.exp(3 + deviation * steps).tolist() for name in names}
        found += [
            replace(run, metrics={f"{FID}_se": 0.01 * run.fid}, columns={**run.columns, "run_id": f"{vary}-{run.run_id}"})
            for run in synthetic_runs(values, **columns)
        ]
    return found


def of(*runs: SyntheticRun) -> Results:
    return results([*runs, *references()], curves=False)


def test_runs_that_vary_other_streams_are_never_in_one_table() -> None:
    cohorts = view(of(*varied(SPREADS))).cohorts
    assert [cohort.vary for cohort in cohorts] == [ALL, "data", "init", "noise"]
    assert len({cohort.title for cohort in cohorts}) == 4
    assert all(len(entry.runs) == 8 for cohort in cohorts for entry in cohort.entries)
    assert [entry.name for cohort in cohorts for entry in cohort.entries] == ["a", "b"] * 4


def test_planted_spreads_give_their_shares() -> None:
    (group,) = spread_groups(view(of(*varied(SPREADS))).cohorts)
    for entry in entry_spreads(group):
        assert entry.logs
        assert entry.error == pytest.approx(0.01)
        assert entry.shares is not None
        assert entry.shares.shares["init"].value == pytest.approx(0.04 / 0.0408)
        assert entry.shares.p_equal < 0.01


def test_runs_that_differ_in_the_evaluation_protocol_of_another_metric_count_together() -> None:
    runs = [replace(run, metrics={**run.metrics, KID: 0.1}) for run in varied(SPREADS)]
    found = of(*runs)
    other = found.protocols["run_id"].isin([str(run.columns["run_id"]) for run in runs[::3]]) & (found.protocols["key"] == KID)
    found = replace(found, protocols=found.protocols.assign(protocol=found.protocols["protocol"].mask(other, "another")))
    cohorts = view(found).cohorts
    assert len(cohorts) > len(SPREADS)
    (group,) = spread_groups(cohorts)
    assert {vary: [len(entry.runs) for entry in cohort.entries] for vary, cohort in group.items()} == {vary: [8, 8] for vary in SPREADS}
    assert all(entry.runs["seed"].is_monotonic_increasing for cohort in group.values() for entry in cohort.entries)


def test_the_section_has_a_figure_a_row_for_each_entry_and_the_answer() -> None:
    section = build(view(of(*varied(SPREADS))))
    assert section is not None
    answer, figure, table = section.blocks
    assert isinstance(answer, Text)
    assert STREAMS["init"] in answer.text
    assert isinstance(figure, Figure)
    assert isinstance(table, Table)
    assert [row.cells[0].text for row in table.rows] == ["a", "b"]
    assert [cell.text for cell in table.rows[0].cells[1:5]] == ["20 %", "2 %", "2 %", "21 %"]


def test_equal_spreads_are_not_separated() -> None:
    section = build(view(of(*varied(dict.fromkeys(SPREADS, 0.1), seeds=3))))
    assert section is not None
    answer = section.blocks[0]
    assert isinstance(answer, Text)
    assert "no significant difference" in answer.text
    assert "most of the spread" not in answer.text


def test_without_each_stream_alone_there_are_no_shares() -> None:
    section = build(view(of(*varied({"init": 0.1, ALL: 0.1}))))
    assert section is not None
    answer, table = section.blocks
    assert isinstance(answer, Text)
    assert "order of the data and noise" in answer.text
    assert isinstance(table, Table)
    assert [cell.text for cell in table.rows[0].cells[1:5]] == ["10 %", "–", "–", "10 %"]


def test_failed_runs_have_no_value() -> None:
    failed = [SyntheticRun(variant="a", seed=9, status="diverged", columns={"param:vary": "init", "run_id": "failed"})]
    (group,) = spread_groups(view(of(*varied(SPREADS), *failed)).cohorts)
    one, two = entry_spreads(group)
    assert {one.failures, two.failures} == {0, 1}
    assert one.shares == two.shares


def test_values_that_are_not_positive_are_compared_raw() -> None:
    runs = [replace(run, fid=run.fid - 20) for run in varied(SPREADS)]
    (group,) = spread_groups(view(of(*runs)).cohorts)
    assert not any(entry.logs for entry in entry_spreads(group))
    assert all(math.isfinite(entry.error) for entry in entry_spreads(group))


def test_a_report_without_fixed_streams_has_no_such_section() -> None:
    found = of(*varied({ALL: 0.1}))
    assert build(view(found)) is None
    assert "seed-spread" not in html(whole(found, title="t"))


def test_verdicts_of_runs_with_fixed_streams_say_so() -> None:
    document = whole(of(*varied(SPREADS)), title="t")
    (verdict,) = (section for section in document.sections if section.id == "verdict")
    warnings = [block.text for block in verdict.blocks if isinstance(block, Text) and block.tone == "warning"]
    assert len(warnings) == 3
    assert all("seed 0" in text for text in warnings)
