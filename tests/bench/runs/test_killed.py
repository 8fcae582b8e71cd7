"""A killed run resumes from a checkpoint, and MLflow has each of its points once."""

from __future__ import annotations

import gc
import shutil
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
import small
from mlflow import MlflowClient
from real_runs import pending

from bench.core import serialization
from bench.runs import pending_writes
from bench.runs.pending_writes import deliver_earlier
from bench.runs.runner import run
from bench.runs.types import RunContext, RunProgress, RunResult
from bench.scheduling import jobs
from bench.scheduling.suite_jobs import RunJob
from bench.tracking import delivery, store
from bench.tracking.journal import RunJournal, Write
from bench.training.checkpoints import CheckpointStore, checkpoints_of


class Death(BaseException):
    """Simulated kill of the process, which no code catches."""


def often(uri: str, folder: Path, suite: str = "small", **more: object) -> RunContext:
    """Return the context of a run that saves a checkpoint at every round."""
    return replace(small.context(uri, folder, suite), checkpoint_seconds=0.0, **more)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _free_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.runs.checkpointing.SHARE", 1e9)


CONFIG = {"budget.images": 1280, "evaluation.marks": 3}


def die(uri: str, context: RunContext, at: int) -> None:
    """Train until a number of images, then simulate a kill."""

    def watch(progress: RunProgress) -> None:
        if progress.images >= at:
            raise Death

    with pytest.raises(Death):
        run(small.config("dcgan", **CONFIG), context, watch=watch)
    gc.collect()  # releases the locks of the process


def history(uri: str, run_id: str) -> list[tuple[str, int, float]]:
    """Return the curves of a run in MLflow, with duplicate points."""
    client = store.connect(uri)
    keys = [key for key in client.get_run(run_id).data.metrics if not key.startswith("perf/")]
    return sorted((key, point.step, point.value) for key in keys for point in client.get_metric_history(run_id, key))


def artifacts(uri: str, run_id: str, folder: str | None = None) -> set[str]:
    """Return the paths of a run's artifacts, without times."""
    found = store.connect(uri).list_artifacts(run_id, folder)
    return {path for file in found for path in (artifacts(uri, run_id, file.path) if file.is_dir else {small.timeless(file.path)})}


class Whole(NamedTuple):
    """A run that nothing interrupts."""

    result: RunResult
    points: list[tuple[str, int, float]]
    artifacts: set[str]
    params: dict[str, str]


@pytest.fixture(scope="module")
def whole(migrated_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    folder = tmp_path_factory.mktemp("whole")
    shutil.copy(migrated_store, folder / "mlflow.db")
    uri = f"sqlite:///{folder}/mlflow.db"
    result = run(small.config("dcgan", **CONFIG), small.context(uri, folder / "runs", "whole"))
    params = store.connect(uri).get_run(result.run_id).data.params
    return Whole(result, history(uri, result.run_id), artifacts(uri, result.run_id), params)


def assert_equal(result: RunResult, found: list[tuple[str, int, float]], wanted: Whole) -> None:
    timeless = lambda values: {key: value for key, value in values.items() if not key.startswith("perf/")}  # noqa: E731
    assert result.status == "finished"
    assert small.same_numbers(timeless(result.values), timeless(wanted.result.values))
    assert found == wanted.points


@pytest.mark.slow
def test_repeated_kills_lose_and_duplicate_no_point(uri: str, tmp_path: Path, whole: Whole) -> None:
    context = often(uri, tmp_path / "runs")
    for at in (200, 500, 501, 900, 1280):
        die(uri, context, at)
    result = run(small.config("dcgan", **CONFIG), context)
    assert len(store.connect(uri).search_runs([store.connect(uri).get_experiment_by_name("small").experiment_id])) == 1  # type: ignore[union-attr]
    assert_equal(result, history(uri, result.run_id), whole)


@pytest.mark.slow
def test_a_kill_before_the_first_checkpoint_restarts_the_same_run(uri: str, tmp_path: Path, whole: Whole) -> None:
    context = replace(often(uri, tmp_path / "runs"), checkpoint_seconds=1e9)
    die(uri, context, 500)
    (dead,) = store.connect(uri).search_runs(["1"])
    assert dead.data.metrics == {}
    result = run(small.config("dcgan", **CONFIG), context)
    assert result.run_id == dead.info.run_id
    assert_equal(result, history(uri, result.run_id), whole)


@pytest.mark.slow
@pytest.mark.parametrize("size", [0, 1000, None])
def test_a_damaged_checkpoint_is_replaced_by_the_one_before(
    uri: str, tmp_path: Path, size: int | None, caplog: pytest.LogCaptureFixture, whole: Whole
) -> None:
    context = often(uri, tmp_path / "runs")
    die(uri, context, 700)
    checkpoints = next(CheckpointStore(path.parent) for path in (tmp_path / "runs").rglob("state.safetensors"))
    content = checkpoints.newest.read_bytes()
    checkpoints.newest.write_bytes(content[:-1] + b"?" if size is None else content[:size])
    result = run(small.config("dcgan", **CONFIG), context)
    assert "using the previous checkpoint" in caplog.text
    assert_equal(result, history(uri, result.run_id), whole)


@pytest.mark.slow
def test_two_damaged_checkpoints_are_logged_and_a_new_run_starts(
    uri: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, whole: Whole
) -> None:
    context = often(uri, tmp_path / "runs")
    die(uri, context, 700)
    for file in (tmp_path / "runs").rglob("state*.safetensors"):
        file.write_bytes(b"")
    old = store.connect(uri).search_runs(["1"])[0].info.run_id
    result = run(small.config("dcgan", **CONFIG), context)
    assert "there is no other" in caplog.text
    assert result.run_id != old
    assert_equal(result, history(uri, result.run_id), whole)
    deliver_earlier(tmp_path / "runs", uri)
    assert not pending(tmp_path / "runs")


def dies_at(kind: str, *, arrives: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate a kill at the first write of a kind, before it arrives or before its acknowledgement is recorded."""
    original = delivery.send

    def dying(client: MlflowClient, write: Write, file: Path | None) -> None:
        if write.kind != kind or arrives:
            original(client, write, file)
        if write.kind == kind:
            raise Death

    monkeypatch.setattr("bench.tracking.delivery.Delivery.flush_if_due", lambda self: None)  # all writes are sent at the end
    monkeypatch.setattr(delivery, "send", dying)


@pytest.mark.parametrize(
    "arrives", [pytest.param(False, marks=pytest.mark.slow), True], ids=["before it arrives", "before it is acknowledged"]
)
@pytest.mark.parametrize("kind", [*(pytest.param(kind, marks=pytest.mark.slow) for kind in ("points", "artifact", "tags")), "end"])
def test_a_kill_while_the_end_is_sent(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, arrives: bool, whole: Whole
) -> None:
    """The end is saved before it is sent, and the next call sends the pending writes."""
    context = often(uri, tmp_path / "runs", once=True)
    with monkeypatch.context() as patch:
        dies_at(kind, arrives=arrives, monkeypatch=patch)
        with pytest.raises(Death):
            run(small.config("dcgan", **CONFIG), context)
    gc.collect()
    (dead,) = store.connect(uri).search_runs(["1"])
    assert [path.name for path in (tmp_path / "runs").rglob("state*")] == ["state.safetensors"]
    assert len(list((tmp_path / "runs").rglob("end-*.json"))) == 1
    assert dead.info.status == ("FINISHED" if (kind, arrives) == ("end", True) else "RUNNING")
    again = run(small.config("dcgan", **CONFIG), context)
    assert (again.status, again.run_id) == ("recorded", dead.info.run_id)
    found = store.connect(uri).get_run(dead.info.run_id)
    assert (found.info.status, found.data.tags["status"]) == ("FINISHED", "finished")
    assert history(uri, dead.info.run_id) == whole.points
    assert artifacts(uri, dead.info.run_id) == whole.artifacts
    assert not pending(tmp_path / "runs")


def run_killed_in(method: str, context: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """Train the run, and simulate a kill at the start of a method of its journal."""

    def dying(*_: object, **__: object) -> None:
        raise Death

    with monkeypatch.context() as patch:
        patch.setattr(RunJournal, method, dying)
        with pytest.raises(Death):
            run(small.config("dcgan", **CONFIG), context)


def test_a_kill_between_the_last_checkpoint_and_the_end(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Whole) -> None:
    """The run resumes at its evaluation, without duplicate points."""
    context = often(uri, tmp_path / "runs", once=True)

    run_killed_in("save", context, monkeypatch)
    gc.collect()
    assert not list((tmp_path / "runs").rglob("end-*.json"))
    result = run(small.config("dcgan", **CONFIG), context)
    assert_equal(result, history(uri, result.run_id), whole)
    assert not pending(tmp_path / "runs")


@pytest.mark.slow
@pytest.mark.parametrize("status", ["interrupted", "failed", "diverged", "pruned"])
def test_every_end_is_on_disk_before_it_is_sent(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: str) -> None:
    """The journal stores every end before it is sent, also for runs without a checkpoint."""

    def stop(progress: RunProgress) -> None:
        if status in ("interrupted", "failed") and progress.images >= 500:
            raise KeyboardInterrupt if status == "interrupted" else RuntimeError("broken")

    settings = {**CONFIG, "recipe.lr_g": 1e30, "recipe.lr_d": 1e30} if status == "diverged" else CONFIG
    with monkeypatch.context() as patch:
        dies_at("artifact", arrives=False, monkeypatch=patch)
        with pytest.raises(Death):
            run(
                small.config("dcgan", **settings), small.context(uri, tmp_path / "runs"), watch=stop,
                judge=lambda progress: "worse" if status == "pruned" and progress.images >= 500 else "",
            )  # fmt: skip
    gc.collect()
    deliver_earlier(tmp_path / "runs", uri)
    (found,) = store.connect(uri).search_runs(["1"])
    assert found.data.tags["status"] == status
    assert artifacts(uri, found.info.run_id) >= {"config.json", "curves.parquet"}
    assert not pending(tmp_path / "runs")


@pytest.mark.slow
def test_a_finished_run_keeps_only_its_last_checkpoint(uri: str, tmp_path: Path) -> None:
    context = often(uri, tmp_path)
    run(small.config("dcgan", **CONFIG), context)
    assert [path.name for path in tmp_path.rglob("state*")] == ["state.safetensors"]
    (folder,) = (path.parent for path in tmp_path.rglob("state*"))
    assert checkpoints_of(folder.parent, folder.name).any


@pytest.mark.slow
def test_sync_sends_the_points_in_the_older_checkpoint_of_a_killed_run(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Whole
) -> None:
    """Later points are not sent, because the process that resumes from that checkpoint logs them again."""
    context = often(uri, tmp_path / "runs")

    def away(*_: object) -> None:
        raise ConnectionError("away")

    with monkeypatch.context() as patch:
        patch.setattr(delivery, "send", away)
        die(uri, context, 700)
    (dead,) = store.connect(uri).search_runs(["1"])
    assert history(uri, dead.info.run_id) == []
    for _ in range(2):
        (result,) = pending_writes.deliver_pending(tmp_path / "runs", uri)
        assert (result.pending, result.problem, result.resumes) == (0, "", True)
        points = serialization.load(next((tmp_path / "runs").rglob("state-before.safetensors")))["log"]["points"]
        assert {step for _, step, _ in history(uri, dead.info.run_id)} == {point[0] for point in points}
    newest = next((tmp_path / "runs").rglob("state.safetensors"))
    newest.write_bytes(newest.read_bytes()[:-1])
    resumed = run(small.config("dcgan", **CONFIG), context)
    assert resumed.run_id == dead.info.run_id
    assert_equal(resumed, history(uri, resumed.run_id), whole)


@pytest.mark.slow
def test_a_second_ctrl_c_duplicates_no_point(uri: str, tmp_path: Path, whole: Whole) -> None:
    """Points after the newest checkpoint are not sent, because the resumed run logs them again."""
    context = often(uri, tmp_path / "runs")
    die(uri, context, 400)

    def interrupt(progress: RunProgress) -> None:
        if progress.images >= 900:
            raise KeyboardInterrupt

    stopped = run(small.config("dcgan", **CONFIG), replace(context, checkpoint_seconds=1e9), watch=interrupt)
    assert stopped.status == "interrupted"
    assert max(step for _, step, _ in history(uri, stopped.run_id)) <= 400
    result = run(small.config("dcgan", **CONFIG), context)
    assert result.run_id == stopped.run_id
    assert_equal(result, history(uri, result.run_id), whole)


@pytest.mark.slow
@pytest.mark.parametrize("at", [0, 400])
def test_a_stop_whose_checkpoint_cannot_be_written_duplicates_no_point(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, at: int, whole: Whole
) -> None:
    """The resumed run logs each point once, without a checkpoint or with one from before the disk was full."""

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    context = often(uri, tmp_path / "runs")
    if at:
        die(uri, context, at)
    reached: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr("bench.core.serialization.write_atomic", full)
        stopped = run(
            small.config("dcgan", **CONFIG),
            context,
            watch=lambda progress: reached.append(progress.images),
            stop=lambda: bool(reached) and reached[-1] >= 900,
        )
    assert stopped.status == "interrupted"
    assert "a checkpoint cannot be written" in caplog.text
    assert max((step for _, step, _ in history(uri, stopped.run_id)), default=0) <= at
    result = run(small.config("dcgan", **CONFIG), context)
    assert result.run_id == stopped.run_id
    assert_equal(result, history(uri, result.run_id), whole)


@pytest.mark.slow
def test_a_run_killed_at_its_start_has_all_parameters_in_the_end(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Whole
) -> None:
    from mlflow import MlflowClient

    context = often(uri, tmp_path / "runs")

    def dead(*_: object, **__: object) -> None:
        raise Death

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_batch", dead)
        with pytest.raises(Death):
            run(small.config("dcgan", **CONFIG), context)
    gc.collect()
    (cut,) = store.connect(uri).search_runs(["1"])
    assert cut.data.params == {}
    result = run(small.config("dcgan", **CONFIG), context)
    assert result.run_id == cut.info.run_id
    params = store.connect(uri).get_run(result.run_id).data.params
    assert params == whole.params


@pytest.mark.slow
def test_an_end_that_is_not_sent_yet_counts_as_the_end(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Whole) -> None:
    context = often(uri, tmp_path / "runs", once=True)

    run_killed_in("close", context, monkeypatch)
    gc.collect()
    again = run(small.config("dcgan", **CONFIG), context)
    assert again.status == "recorded"
    assert history(uri, again.run_id) == whole.points


def test_a_run_that_had_ended_when_its_worker_died_stays_finished(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = often(uri, tmp_path / "runs")

    run_killed_in("close", context, monkeypatch)
    pending_writes.deliver_dead_run(next((tmp_path / "runs").glob("*/")), uri)
    (found,) = store.connect(uri).search_runs(["1"])
    assert found.data.tags["status"] == "finished"


@pytest.mark.slow
def test_all_writes_in_the_checkpoint_of_a_dead_process_are_sent(uri: str, tmp_path: Path, whole: Whole) -> None:
    context = often(uri, tmp_path / "runs")
    die(uri, context, 700)
    (dead,) = store.connect(uri).search_runs(["1"])
    before = len(history(uri, dead.info.run_id))
    pending_writes.deliver_dead_run(next((tmp_path / "runs").glob("*/")), uri)
    after = history(uri, dead.info.run_id)
    assert len(after) > before
    assert after == [point for point in whole.points if point in set(after)]


@pytest.mark.slow
def test_a_run_whose_workers_died_repeatedly_resumes_without_duplicate_points(uri: str, tmp_path: Path, whole: Whole) -> None:
    """The failed run sends no points after its checkpoint, because the resumed run logs them again."""
    context = often(uri, tmp_path / "runs")
    die(uri, context, 700)
    (dead,) = store.connect(uri).search_runs(["1"])
    fingerprint = dead.data.tags["fingerprint"]
    config = small.config("dcgan", **CONFIG)
    result = jobs.fail_job(RunJob.of(config, context, fingerprint), "killed (out of memory?)")
    assert (result.status, result.run_id) == ("failed", dead.info.run_id)
    again = run(config, context)
    assert (again.status, again.run_id) == ("finished", dead.info.run_id)
    assert_equal(again, history(uri, again.run_id), whole)


@pytest.mark.slow
def test_files_of_a_killed_write_are_removed(uri: str, tmp_path: Path) -> None:
    context = often(uri, tmp_path / "runs")
    die(uri, context, 700)
    folder = next((tmp_path / "runs").glob("*/"))
    for name in (".state.new-1a2b3c4d", "state.new", "state-before.new", ".end-r.json-1a2b3c4d", "artifacts/r/half"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"half")
    run(small.config("dcgan", **CONFIG), context)
    assert {path.name for path in folder.iterdir()} == {"state.safetensors", "metrics.jsonl"}
