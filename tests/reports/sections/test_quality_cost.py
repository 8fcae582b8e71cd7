"""Section on quality against cost: who is on the front, and which runs are left out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from synthetic_results import SyntheticRun, references, results, synthetic_runs

from reports.document import Figure, Section, Text
from reports.sections import quality_cost
from reports.view import view

SECONDS = "perf/train_seconds"
FIDS = {"fast": (50.0, 51.0, 52.0), "good": (10.0, 11.0, 12.0), "beaten": (20.0, 21.0, 22.0)}
TIMES = {"fast": 5.0, "good": 20.0, "beaten": 30.0}


def timed(**columns: str) -> list[SyntheticRun]:
    return [replace(run, metrics={SECONDS: TIMES[run.variant]}) for run in synthetic_runs(FIDS, **columns)]


def section(runs: list[SyntheticRun]) -> Section:
    found = quality_cost.build(view(results([*runs, *references()])))
    assert found is not None
    return found


def parts(runs: list[SyntheticRun]) -> tuple[str, Figure]:
    lead, figure = section(runs).blocks
    assert isinstance(lead, Text)
    assert isinstance(figure, Figure)
    return lead.text, figure


def test_the_sentence_names_the_front_and_no_other_entry() -> None:
    lead, figure = parts(timed())
    assert "fast (5.00 s, 51.0) and good (20.0 s, 11.0)" in lead
    assert "beaten" not in lead
    assert figure.picture.grouped
    assert "beaten" in figure.picture.alt
    assert "left out" not in figure.caption
    assert "failed" not in figure.caption


def test_one_entry_may_be_the_whole_front() -> None:
    runs = [replace(run, metrics={SECONDS: 1.0 if run.variant == "good" else 9.0}) for run in timed()]
    lead, _ = parts(runs)
    assert lead.startswith("good (1.00 s, 11.0) has the fewest train seconds and the best median")


def test_failed_runs_and_runs_without_a_time_are_counted() -> None:
    failed = [SyntheticRun(variant="good", seed=seed, status=status) for seed, status in ((3, "failed"), (4, "diverged"))]
    timeless = SyntheticRun(variant="fast", seed=3, fid=50.0, metrics={SECONDS: float("nan")})
    _, figure = parts([*timed(), *failed, timeless])
    assert "2 runs failed or diverged" in figure.caption
    assert "1 finished run without a value or a time" in figure.caption


def test_devices_are_not_compared() -> None:
    runs = [replace(run, columns={**run.columns, "device": "cuda" if run.seed else "cpu"}) for run in timed()]
    assert "cpu and cuda" in parts(runs)[1].caption


def test_a_budget_in_seconds_needs_no_plot() -> None:
    budget = {"param:budget.images": "None", "param:budget.train_seconds": "60"}
    (text,) = section([replace(run, columns={**run.columns, **budget}) for run in timed()]).blocks
    assert isinstance(text, Text)
    assert "60 train seconds" in text.text


@pytest.mark.parametrize("runs", [timed()[:3], [replace(run, metrics={SECONDS: float("nan")}) for run in timed()]])
def test_no_section_without_two_entries_with_times(runs: list[SyntheticRun]) -> None:
    assert quality_cost.build(view(results(runs))) is None


def test_only_the_best_entries_and_the_front_are_drawn() -> None:
    many = {f"v{i:02d}": (10.0 + i, 10.5 + i, 11.0 + i) for i in range(quality_cost.MOST + 2)}
    last = f"v{quality_cost.MOST + 1:02d}"
    runs = [replace(run, metrics={SECONDS: 1.0 if run.variant == last else 50.0}) for run in synthetic_runs(many)]
    lead, figure = parts(runs)
    assert last in lead
    assert f"{last} " in figure.picture.alt
    assert f"v{quality_cost.MOST:02d}" not in figure.picture.alt
    assert f"the {quality_cost.MOST} entries" in figure.caption
