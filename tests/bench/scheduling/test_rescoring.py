"""Selection of runs to rescore, and errors before any write."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.core.config import Evaluation
from bench.core.errors import UserError
from bench.metrics.columns import FID_DISTILLED
from bench.scheduling.rescoring import finished_runs, rescore
from bench.scheduling.scheduler import Display
from bench.tracking.client import Tracker
from bench.tracking.results import REFERENCES, Results, load
from bench.training.loop import never

pytestmark = pytest.mark.usefixtures("standard_errors")


@pytest.fixture
def found(uri: str, executed: Callable[..., None]) -> Results:
    """Return the results of two finished runs of the small suite."""
    executed(seeds=2)
    return load(uri, ("small",))


def ids(found: Results, kind: str = "run") -> list[str]:
    return list(found.runs.query(f"kind == '{kind}'").sort_values("seed")["run_id"])


def test_runs_of_a_suite_and_by_their_ids(found: Results) -> None:
    both = finished_runs(found.uri, (), "small", {})
    assert sorted(run.run_id for run in both) == sorted(ids(found))
    assert {run.evaluation for run in both} == {Evaluation(marks=1)}
    assert all(run.before[FID_DISTILLED] == found.runs.set_index("run_id").loc[run.run_id, FID_DISTILLED] for run in both)
    first, second = ids(found)
    chosen = finished_runs(found.uri, (second[:8], first, second), None, {"evaluation.samples": 100, "evaluation.batch_size": 7})
    assert [run.run_id for run in chosen] == [second, first]
    assert chosen[0].evaluation == Evaluation(marks=1, samples=100, batch_size=7)


def test_runs_are_rescored_with_reference_rows_of_the_same_protocol(found: Results) -> None:
    runs = finished_runs(found.uri, (), "small", {"evaluation.samples": 100})
    ended = rescore(runs, uri=found.uri, workers=1, stop=never, display=Display()).runs
    assert [(run.run_id, result.status) for run, result in ended] == [(run.run_id, "finished") for run in runs]
    assert all(run.before[FID_DISTILLED] != result.values[FID_DISTILLED] for run, result in ended)
    after = load(found.uri, ("small",))
    assert set(after.runs.query("kind == 'run'")["protocol"]) == set(after.runs.query("kind == 'reference'")["protocol"])
    assert len(ids(after, "reference")) == 2
    assert not rescore(runs, uri=found.uri, workers=1, stop=lambda: True, display=Display()).runs


def test_a_run_that_cannot_be_measured_fails_and_the_others_are_measured(found: Results, caplog: pytest.LogCaptureFixture) -> None:
    path = found.artifact(ids(found)[0], "config.json")
    assert path is not None
    path.unlink()
    ended = rescore(finished_runs(found.uri, ids(found), None, {}), uri=found.uri, workers=1, stop=never, display=Display()).runs
    assert [result.status for _, result in ended] == ["failed", "finished"]
    assert "has no config.json" in ended[0][1].reason
    assert "has no config.json" in caplog.text


def test_invalid_runs_and_settings_are_refused(found: Results) -> None:
    first, second = ids(found)
    tracker = Tracker(found.uri, "small")
    parent = tracker.client.search_runs([tracker._experiment_id], filter_string="tags.kind = 'parent'")[0].info.run_id
    Tracker(found.uri, "empty")
    wrong: list[tuple[tuple[str, ...], str | None, dict[str, object], str]] = [
        ((), None, {}, "give the ids of the runs to measure again, or a suite"),
        ((first,), "small", {}, "give the ids of runs or --suite, not both"),
        ((first,), "other", {}, f"the run {first} is of the suite 'small', not of 'other'"),
        ((), "smal", {}, "no results of a suite 'smal'; did you mean 'small'"),
        ((), "empty", {}, "the suite 'empty' has no finished run"),
        ((), REFERENCES, {}, "the suite 'references' has no finished run"),
        (("0" * 32,), None, {}, "there is no run"),
        ((parent,), None, {}, "is of the kind 'parent'; give the id of a training run"),
        ((ids(found, "reference")[0],), None, {}, "is of the kind 'reference'; give the id of a training run"),
        ((first,), None, {"recipe.lr_g": 1}, "`ganbench score` has no setting 'recipe.lr_g'; there is"),
        ((first,), None, {"evaluation.marks": 3}, "has no setting 'evaluation.marks'"),
        ((first,), None, {"evaluation.sample": 3}, "did you mean 'evaluation.samples'"),
        ((first,), None, {"evaluation.samples": "many"}, "evaluation.samples: "),
        ((first,), None, {"evaluation.samples": 3}, "evaluation.samples=3 is too few to measure"),
        ((first,), None, {"evaluation.samples": 2000}, "2,000 is more than the 1,297 training images"),
    ]
    before = len(tracker.client.search_runs([tracker._experiment_id]))
    for run_ids, suite, settings, message in wrong:
        with pytest.raises(UserError) as error:
            finished_runs(found.uri, run_ids, suite, settings)
        assert message in str(error.value)
        assert len(str(error.value).splitlines()) == 1
    tracker.client.set_tag(second, "status", "diverged")
    with pytest.raises(UserError, match=f"the run {second} is diverged: give the id of a finished run"):
        finished_runs(found.uri, (first, second), None, {})
    assert [run.run_id for run in finished_runs(found.uri, (), "small", {})] == [first]
    assert len(tracker.client.search_runs([tracker._experiment_id])) == before


def test_too_many_workers(found: Results) -> None:
    with pytest.raises(UserError, match="--workers takes 1 to"):
        rescore(finished_runs(found.uri, (), "small", {}), uri=found.uri, workers=10_000, stop=never, display=Display())
