"""The scheduler of suites. It trains no run twice, and results do not depend on the number of workers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import small
import torch

from bench.core.errors import UserError
from bench.metrics.columns import CARDS, Card
from bench.metrics.evidence import METRICS
from bench.runs.types import RunResult
from bench.scheduling.jobs import Job
from bench.scheduling.scheduler import Display, ExecutionPlan, ExecutionResult, plan_execution, run_suite
from bench.scheduling.suite import Entry, plan
from bench.tracking import store
from bench.tracking.client import Tracker
from bench.tracking.results import REFERENCES, load
from bench.training.checkpoints import checkpoints_of
from bench.training.loop import never


class Notes(Display):
    """Display that stores the results."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    def end(self, job: Job, result: RunResult) -> None:
        self.ended.append(f"{job.kind} {result.variant} {result.status}")


def test_a_suite_is_executed_once_with_its_reference_rows(uri: str, tmp_path: Path) -> None:
    notes = Notes()
    first = small.execute(uri, tmp_path / "runs", display=notes, seeds=1)
    assert (first.count("finished"), first.skipped) == (2, 0)
    assert notes.ended[:2] == ["reference real finished", "reference untrained finished"]
    before = small.final_values(uri)

    again = Notes()
    second = small.execute(uri, tmp_path / "runs", display=again, seeds=1)
    assert (len(second.results), second.skipped, again.ended) == (0, 2, [])
    third = small.execute(uri, tmp_path / "runs", display=again)
    assert (third.count("finished"), third.skipped) == (2, 2)
    after = small.final_values(uri)
    assert {key: after[key] for key in before} == before
    assert {path.name for path in (tmp_path / "runs").rglob("*") if path.is_file()} == {"state.safetensors", "metrics.jsonl"}

    runs = load(uri, ("small",)).runs
    assert sorted(runs[runs["kind"] == "reference"]["variant"]) == ["real", "untrained"]
    assert (
        runs[runs["variant"] == "real"]["quality/fid_classifier"].item()
        < runs[runs["variant"] == "untrained"]["quality/fid_classifier"].item()
    )
    parents = Tracker(uri, "small").client.search_runs(Tracker(uri, "small")._experiment_id, filter_string="tags.kind = 'parent'")
    assert [parent.data.tags["status"] for parent in parents] == ["finished", "finished"]


@pytest.mark.slow  # starts Ray
def test_two_workers_give_the_same_numbers_as_one(uri: str, tmp_path: Path) -> None:
    small.execute(uri, tmp_path / "runs", workers=1)
    one = small.final_values(uri)
    other = f"sqlite:///{tmp_path / 'other.db'}"
    outcome = small.execute(other, tmp_path / "other", workers=2)
    assert outcome.count("finished") == 4
    assert small.final_values(other) == one


@pytest.mark.slow
def test_without_ray_runs_are_executed_one_after_another_with_a_warning(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    monkeypatch.setattr("bench.core.environment.cores", lambda: 2)
    outcome = small.execute(uri, tmp_path / "runs", workers=2, seeds=1)
    assert outcome.count("finished") == 2
    assert "RAY IS NOT INSTALLED" in caplog.text


def test_a_stopped_suite_keeps_finished_runs_and_resumes_the_others(uri: str, tmp_path: Path) -> None:
    notes = Notes()
    stopped = small.execute(uri, tmp_path / "runs", display=notes, stop=lambda: len(notes.ended) >= 3, seeds=1)
    assert stopped.interrupted
    assert stopped.count("finished") == 1
    rest = small.execute(uri, tmp_path / "runs", seeds=1)
    assert (rest.count("finished"), rest.skipped) == (1, 1)


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt, "interrupted"), (UserError, "failed")])
def test_an_execution_that_fails_is_closed(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException], status: str
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise error("broken")

    monkeypatch.setattr("bench.scheduling.scheduler.execute", broken)
    with pytest.raises(error):
        small.execute(uri, tmp_path / "runs", seeds=1)
    tracker = Tracker(uri, "small")
    (parent,) = tracker.client.search_runs([tracker._experiment_id], filter_string="tags.kind = 'parent'")
    assert parent.data.tags["status"] == status


@pytest.mark.slow
@pytest.mark.parametrize("checkpoint", [True, False])
def test_a_run_whose_process_died_resumes_or_restarts(uri: str, tmp_path: Path, checkpoint: bool) -> None:
    small.execute(uri, tmp_path / "runs", seeds=1)
    expected = small.final_values(uri)
    tracker = Tracker(uri, "small")
    fingerprint = load(uri, ("small",)).runs.query("variant == 'dcgan'")["fingerprint"].item()
    (run,) = tracker.find(fingerprint)
    tracker.client.set_tag(run.info.run_id, "status", "running")
    tracker.client.set_tag(run.info.run_id, "owner", f"{__import__('socket').gethostname()}:999999999")
    if not checkpoint:
        checkpoints_of(tmp_path / "runs" / "small", fingerprint).newest.unlink()
    outcome = small.execute(uri, tmp_path / "runs", seeds=1)
    assert [result.variant for result in outcome.results] == ["dcgan"]
    assert (outcome.results[0].run_id == run.info.run_id) == checkpoint
    assert small.final_values(uri)[("dcgan", 0)] == expected[("dcgan", 0)]


@pytest.mark.slow
def test_a_run_of_another_protocol_is_rescored_without_training(uri: str, tmp_path: Path, executed: Callable[..., None]) -> None:
    executed()
    before = load(uri, ("small",))
    run_id = before.runs.query("kind == 'run'")["run_id"].item()
    Tracker(uri, "small").client.set_tag(run_id, "protocol", "an older one")
    notes = Notes()
    small.execute(uri, tmp_path / "runs", seeds=1, only="dcgan", display=notes)
    assert notes.ended == ["score dcgan finished"]
    after = load(uri, ("small",))
    assert after.runs.query("kind == 'run'")["protocol"].item() == after.read_json(run_id, "protocol.json")["all"]
    for key in ("quality/fid_classifier", "modes/class_kl"):
        assert after.runs[key].tolist() == before.runs[key].tolist()


@pytest.mark.slow
def test_a_changed_number_of_samples_is_measured_once(uri: str, tmp_path: Path, executed: Callable[..., None]) -> None:
    choice = {"seeds": 1, "only": "dcgan", "settings": {"evaluation.samples": 100}}
    executed()
    before = small.final_values(uri)
    notes = Notes()
    small.execute(uri, tmp_path / "runs", display=notes, **choice)
    assert notes.ended == ["reference real finished", "reference untrained finished", "score dcgan finished"]
    after = load(uri, ("small",))
    run_id = after.runs.query("kind == 'run'")["run_id"].item()
    evidence, protocol = (after.read_json(run_id, name) or {} for name in ("evidence.json", "protocol.json"))
    assert evidence["n"] == 100
    assert after.runs.query("kind == 'run'")["protocol"].item() == protocol["all"]
    assert sorted(after.runs.query("kind == 'reference'")["variant"]) == ["real", "untrained"]
    assert small.final_values(uri) != before
    assert small.execute(uri, tmp_path / "runs", **choice).skipped == 1


@pytest.mark.slow
@pytest.mark.parametrize("content", [None, b"no tensors"])
def test_a_run_without_weights_is_logged_and_the_others_are_measured(
    uri: str, tmp_path: Path, content: bytes | None, executed: Callable[..., None]
) -> None:
    executed(seeds=2)
    found = load(uri, ("small",))
    first, second = found.runs.query("kind == 'run'").sort_values("seed")["run_id"]
    weights = found.artifact(first, "weights/last.safetensors")
    assert weights is not None
    weights.unlink() if content is None else weights.write_bytes(content)
    for run_id in (first, second):
        Tracker(uri, "small").client.set_tag(run_id, "protocol", "an older one")
    outcome = small.execute(uri, tmp_path / "runs", seeds=2, only="dcgan")
    assert [result.status for result in outcome.results] == ["failed", "finished"]
    assert "cannot be measured again" in outcome.results[0].reason
    tags = [Tracker(uri, "small").client.get_run(run_id).data.tags for run_id in (first, second)]
    assert [(tag["status"], tag["protocol"] == "an older one") for tag in tags] == [("finished", True), ("finished", False)]


def test_a_failed_run_is_retried_once_in_each_execution(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("broken")

    with monkeypatch.context() as patch:
        patch.setattr("variants.gan.AdversarialObjective.generator_loss", broken)
        assert small.execute(uri, tmp_path / "runs", seeds=1, only="dcgan").count("failed") == 1
    assert small.execute(uri, tmp_path / "runs", seeds=1, only="dcgan").count("finished") == 1


def test_too_many_workers_are_refused_before_any_write(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--workers takes 1 to"):
        small.execute(f"sqlite:///{tmp_path}/new.db", tmp_path / "runs", workers=10_000)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_references_are_shared_by_suites(uri: str, tmp_path: Path, executed: Callable[..., None]) -> None:
    executed()
    notes = Notes()
    other = small.Suite(name="other", idea="another", entries=small.SUITE.entries, datasets=("digits",), settings=small.SUITE.settings)
    small.execute(uri, tmp_path / "runs", suite=other, seeds=1, only="dcgan", display=notes)
    assert notes.ended == ["run dcgan finished"]
    assert len(load(uri, (REFERENCES,)).runs) == 0  # reference rows alone are not results


@pytest.mark.slow
def test_an_extension_extends_the_longest_recorded_run(uri: str, tmp_path: Path) -> None:
    choice = {"seeds": 1, "only": "dcgan"}
    small.execute(uri, tmp_path / "runs", **choice)
    first = small.execute(uri, tmp_path / "runs", extend=True, settings={"budget.images": 960}, **choice)
    second = small.execute(uri, tmp_path / "runs", extend=True, settings={"budget.images": 1280}, **choice)
    assert [action.why for action in (*first.actions, *second.actions)] == ["extends a run of 640 images", "extends a run of 960 images"]
    tags = Tracker(uri, "small").client.get_run(second.results[0].run_id).data.tags
    assert tags["extends"] == first.results[0].run_id
    straight = small.execute(
        uri, tmp_path / "straight", suite=replace(small.SUITE, name="straight"), settings={"budget.images": 1280}, **choice
    )
    timeless = [
        {key: value for key, value in outcome.results[0].values.items() if not key.startswith("perf/")} for outcome in (second, straight)
    ]
    assert timeless[0] == timeless[1]
    assert small.execute(uri, tmp_path / "runs", extend=True, settings={"budget.images": 1280}, **choice).skipped == 1


def test_an_impossible_extension_is_refused_before_any_write(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def extend(images: int) -> ExecutionResult:
        return small.execute(uri, tmp_path / "runs", extend=True, settings={"budget.images": images}, seeds=1, only="dcgan")

    with pytest.raises(UserError, match="dcgan seed 0 has no finished run at a smaller budget"):
        extend(960)
    small.execute(uri, tmp_path / "runs", seeds=1, only="dcgan")
    with pytest.raises(UserError, match="--extend 320: dcgan seed 0 already has a run of 640 images"):
        extend(320)
    with monkeypatch.context() as patch:
        patch.setattr("bench.core.spec.Recipe.bound_to_budget", lambda self: "fade_in_share")
        with pytest.raises(UserError, match=r"dcgan cannot be extended, because its recipe\.fade_in_share depends on the budget"):
            extend(960)
    (state,) = (tmp_path / "runs").rglob("state.safetensors")
    state.write_bytes(b"")
    with pytest.raises(UserError, match=r"the checkpoint .* is damaged: .*; train dcgan seed 0 from scratch with --set budget\.images=960"):
        extend(960)
    state.unlink()
    with pytest.raises(UserError, match="the last checkpoint of dcgan seed 0 is missing"):
        extend(960)
    assert len(load(uri, ("small",)).runs.query("kind == 'run'")) == 1


def test_planning_writes_nothing_and_finds_recorded_runs(uri: str, tmp_path: Path, executed: Callable[..., None]) -> None:
    executed()
    store = (tmp_path / "mlflow.db").read_bytes()
    execution_plan = plan_execution(small.SUITE, plan(small.SUITE, seeds=1), uri=uri, folder=tmp_path / "other", workers=1, probe=False)
    assert [action.kind for action in execution_plan.actions] == ["train", "skip"]
    assert not (tmp_path / "other").exists()
    assert (tmp_path / "mlflow.db").read_bytes() == store
    nowhere = plan_execution(small.SUITE, plan(small.SUITE), uri=f"sqlite:///{tmp_path}/no.db", folder=tmp_path, workers=1, probe=False)
    assert len(nowhere.todo) == 4
    assert not (tmp_path / "no.db").exists()


@pytest.mark.slow
def test_a_stopped_run_without_a_checkpoint_restarts_with_a_warning(uri: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    calls = iter(range(10**6))
    small.execute(uri, tmp_path / "runs", seeds=1, only="dcgan", stop=lambda: next(calls) >= 8)
    choice = {"seeds": 1, "only": "dcgan"}

    def look(**more: object) -> ExecutionPlan:
        planned = plan(small.SUITE, **choice, **more)  # type: ignore[arg-type]
        return plan_execution(small.SUITE, planned, uri=uri, folder=tmp_path / "runs", workers=1, probe=False)

    assert [action.kind for action in look().actions] == ["resume"]
    (other,) = look(settings={"evaluation.samples": 100}).actions
    assert (other.kind, "has another evaluation protocol" in other.why) == ("train", True)
    for state in (tmp_path / "runs").rglob("state*.safetensors"):
        state.unlink()
    small.execute(uri, tmp_path / "runs", **choice)
    assert "dcgan-s0 is interrupted and has no checkpoint" in caplog.text


def test_a_metric_added_between_stop_and_resume_loses_no_training(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = iter(range(10**6))
    small.execute(uri, tmp_path / "runs", seeds=1, only="dcgan", stop=lambda: next(calls) >= 8)
    (run_id,) = load(uri, ("small",)).runs.query("kind == 'run'")["run_id"]
    mine = Card(key="diversity/mine", title="mine", direction="none", meaning="Always 1.")
    monkeypatch.setitem(CARDS, mine.key, mine)
    monkeypatch.setitem(METRICS, mine.key, lambda evidence: 1.0)
    outcome = small.execute(uri, tmp_path / "runs", seeds=1, only="dcgan")
    assert [result.run_id for result in outcome.results] == [run_id]
    assert outcome.results[0].values["diversity/mine"] == 1
    tags = Tracker(uri, "small").client.get_run(run_id).data.tags
    assert tags["protocol"] == (load(uri, ("small",)).read_json(run_id, "protocol.json") or {})["all"]


@pytest.mark.slow
def test_an_extension_whose_process_died_restarts_from_its_base_run(uri: str, tmp_path: Path) -> None:
    choice = {"seeds": 1, "only": "dcgan"}
    base = small.execute(uri, tmp_path / "runs", **choice).results[0]
    longer = {"extend": True, "settings": {"budget.images": 1280}, **choice}
    died = small.execute(uri, tmp_path / "runs", **longer).results[0]
    tracker = Tracker(uri, "small")
    fingerprint = tracker.client.get_run(died.run_id).data.tags["fingerprint"]
    tracker.client.set_tag(died.run_id, "status", "running")
    tracker.client.set_tag(died.run_id, "owner", f"{__import__('socket').gethostname()}:999999999")
    checkpoints_of(tmp_path / "runs" / "small", fingerprint).newest.unlink()
    again = small.execute(uri, tmp_path / "runs", **longer)
    assert [action.kind for action in again.actions] == ["extend"]
    assert tracker.client.get_run(again.results[0].run_id).data.tags["extends"] == base.run_id
    assert tracker.client.get_run(died.run_id).data.tags["status"] == "interrupted"


@pytest.mark.slow
def test_a_diverged_seed_is_trained_from_scratch_at_the_longer_budget(uri: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    wild = replace(
        small.SUITE,
        settings={**small.SUITE.settings, "recipe.lr_g": 1e30},
        entries=(Entry(variant="label-smoothed"), Entry(variant="dcgan", settings={"recipe.lr_g": 1e-3})),
    )
    first = small.execute(uri, tmp_path / "runs", suite=wild, seeds=1)
    assert sorted(result.status for result in first.results) == ["diverged", "finished"]
    longer = small.execute(uri, tmp_path / "runs", suite=wild, seeds=1, extend=True, settings={"budget.images": 960})
    assert {action.config.variant: action.kind for action in longer.actions} == {"label-smoothed": "train", "dcgan": "extend"}
    assert sorted(result.status for result in longer.results) == ["diverged", "finished"]
    assert "label-smoothed seed 0 diverged at a smaller budget" in caplog.text


@pytest.mark.slow
def test_a_best_checkpoint_that_was_not_saved_is_reported(uri: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    choice = {"seeds": 1, "only": "dcgan"}
    small.execute(uri, tmp_path / "runs", **choice)
    assert small.execute(uri, tmp_path / "runs", settings={"evaluation.best": True}, **choice).skipped == 1
    assert "dcgan seed 0 is finished without a saved best checkpoint, so its best checkpoint cannot be measured" in caplog.text
    with pytest.raises(UserError, match="dcgan seed 0 has no saved best checkpoint; train it from scratch"):
        small.execute(uri, tmp_path / "runs", extend=True, settings={"evaluation.best": True, "budget.images": 960}, **choice)


@pytest.mark.slow
def test_a_probe_changes_no_number(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.scheduling.estimate.PROBE_SECONDS", 0.02)
    small.execute(uri, tmp_path / "runs", seeds=1)
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    other = replace(small.SUITE, name="probed")
    execution_plan = plan_execution(other, plan(other, seeds=1), uri=uri, folder=tmp_path / "runs", workers=1)
    assert execution_plan.estimate.seconds
    assert torch.equal(torch.rand(1), expected)
    run_suite(other, execution_plan, uri=uri, folder=tmp_path / "runs", stop=never, display=Display())
    assert small.final_values(uri, "probed") == small.final_values(uri)


def test_a_folder_that_cannot_be_created_is_an_error_before_any_run(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.scheduling.scheduler.check_writable", lambda folder: None)  # the check cannot detect every error
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(UserError, match=r"the folder .*/runs/small cannot be created: Not a directory"):
        small.execute(uri, tmp_path / "runs", seeds=1, only="dcgan")
    tracker = Tracker(uri, "small")
    assert not tracker.client.search_runs([tracker._experiment_id])


def test_a_deleted_experiment_of_reference_rows_stops_no_suite(uri: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    small.execute(uri, tmp_path, seeds=1, only="dcgan")
    before = load(uri, ("small",)).runs
    client = store.connect(uri)
    rows = client.get_experiment_by_name(REFERENCES)
    assert rows is not None
    client.delete_experiment(rows.experiment_id)
    assert set(load(uri, ("small",)).runs["kind"]) == {"run"}  # readers of results do not need reference rows
    outcome = small.execute(uri, tmp_path, seeds=1, only="dcgan")
    assert (outcome.skipped, len(outcome.results)) == (1, 0)
    assert caplog.text.count("restored the experiment 'references'") == 1
    assert sorted(load(uri, ("small",)).runs["run_id"]) == sorted(before["run_id"])  # the restored rows, not measured again
