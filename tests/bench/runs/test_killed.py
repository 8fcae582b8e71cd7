"""A run whose process dies at any moment goes on from a checkpoint, and MLflow has each of its points once."""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path

import pytest
import small

from bench.runs import pending_writes
from bench.runs.pending_writes import catch_up
from bench.runs.runner import run
from bench.runs.types import Place, RunProgress, RunResult
from bench.scheduling import jobs
from bench.scheduling.suite_jobs import RunJob
from bench.tracking import delivery, store
from bench.training.checkpoints import CheckpointStore, checkpoints_of


class Death(BaseException):
    """The process is gone: nothing catches it, nothing is tidied up."""


def often(uri: str, folder: Path, suite: str = "small", **more: object) -> Place:
    """A run there with a checkpoint at every round."""
    return replace(small.place(uri, folder, suite), checkpoint_seconds=0.0, **more)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _free_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.runs.checkpointing.SHARE", 1e9)


ROOM = 6  # writes that go out before the process dies
CONFIG = {"budget.images": 1280, "evaluation.marks": 3}


def die(uri: str, place: Place, at: int) -> None:
    """Train until a mark and be gone."""

    def watch(progress: RunProgress) -> None:
        if progress.images >= at:
            raise Death

    with pytest.raises(Death):
        run(small.config("dcgan", **CONFIG), place, watch=watch)
    gc.collect()  # what the process had locked


def history(uri: str, run_id: str) -> list[tuple[str, int, float]]:
    """All that MLflow has of a run's curves, points that were sent twice included."""
    client = store.connect(uri)
    keys = [key for key in client.get_run(run_id).data.metrics if not key.startswith("perf/")]
    return sorted((key, point.step, point.value) for key in keys for point in client.get_metric_history(run_id, key))


def whole(uri: str, folder: Path) -> tuple[RunResult, list[tuple[str, int, float]]]:
    result = run(small.config("dcgan", **CONFIG), small.place(uri, folder / "whole", "whole"))
    return result, history(uri, result.run_id)


def assert_equal(result: RunResult, found: list[tuple[str, int, float]], wanted: tuple[RunResult, list[tuple[str, int, float]]]) -> None:
    timeless = lambda values: {key: value for key, value in values.items() if not key.startswith("perf/")}  # noqa: E731
    assert result.status == "finished"
    assert small.same_numbers(timeless(result.values), timeless(wanted[0].values))
    assert found == wanted[1]


@pytest.mark.slow
def test_deaths_in_a_row_lose_and_double_nothing(uri: str, tmp_path: Path) -> None:
    place = often(uri, tmp_path / "runs")
    for at in (200, 500, 501, 900, 1280):
        die(uri, place, at)
    result = run(small.config("dcgan", **CONFIG), place)
    assert len(store.connect(uri).search_runs([store.connect(uri).get_experiment_by_name("small").experiment_id])) == 1  # type: ignore[union-attr]
    assert_equal(result, history(uri, result.run_id), whole(uri, tmp_path))


@pytest.mark.slow
def test_a_death_before_the_first_checkpoint_begins_the_same_run_again(uri: str, tmp_path: Path) -> None:
    place = replace(often(uri, tmp_path / "runs"), checkpoint_seconds=1e9)
    die(uri, place, 500)
    (dead,) = store.connect(uri).search_runs(["1"])
    assert dead.data.metrics == {}
    result = run(small.config("dcgan", **CONFIG), place)
    assert result.run_id == dead.info.run_id
    assert_equal(result, history(uri, result.run_id), whole(uri, tmp_path))


@pytest.mark.parametrize("size", [pytest.param(0, marks=pytest.mark.slow), pytest.param(1000, marks=pytest.mark.slow), None])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(
    uri: str, tmp_path: Path, size: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    place = often(uri, tmp_path / "runs")
    die(uri, place, 700)
    kept = next(CheckpointStore(path.parent) for path in (tmp_path / "runs").rglob("state.safetensors"))
    content = kept.newest.read_bytes()
    kept.newest.write_bytes(content[:-1] + b"?" if size is None else content[:size])
    result = run(small.config("dcgan", **CONFIG), place)
    assert "the one before it is used" in caplog.text
    assert_equal(result, history(uri, result.run_id), whole(uri, tmp_path))


@pytest.mark.slow
def test_both_damaged_is_said_and_a_new_run_begins(uri: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    place = often(uri, tmp_path / "runs")
    die(uri, place, 700)
    for file in (tmp_path / "runs").rglob("state*.safetensors"):
        file.write_bytes(b"")
    old = store.connect(uri).search_runs(["1"])[0].info.run_id
    result = run(small.config("dcgan", **CONFIG), place)
    assert "there is no other" in caplog.text
    assert result.run_id != old
    assert_equal(result, history(uri, result.run_id), whole(uri, tmp_path))
    catch_up(tmp_path / "runs", uri)
    assert not list((tmp_path / "runs").rglob("outbox"))


def test_a_death_at_the_end_sends_the_rest_once(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed while the last writes go out: they are on disk, and who comes next sends those that are left."""
    place, sent = often(uri, tmp_path / "runs"), 0

    def dying(*given: object) -> None:
        nonlocal sent
        sent += 1
        if sent > ROOM:
            raise Death
        original(*given)  # type: ignore[arg-type]

    original = delivery.send
    with monkeypatch.context() as patch:
        patch.setattr("bench.tracking.delivery.Posted.nudge", lambda self: None)  # all goes out at the end
        patch.setattr("bench.tracking.delivery.send", dying)
        with pytest.raises(Death):
            run(small.config("dcgan", **CONFIG), place)
    gc.collect()
    (dead,) = store.connect(uri).search_runs(["1"])
    assert dead.data.tags["status"] == "running"
    assert [path.name for path in (tmp_path / "runs").rglob("state*")] == ["state.safetensors"]
    wanted = whole(uri, tmp_path)
    assert 0 < len(history(uri, dead.info.run_id)) < len(wanted[1])
    catch_up(tmp_path / "runs", uri)
    assert store.connect(uri).get_run(dead.info.run_id).data.tags["status"] == "finished"
    assert history(uri, dead.info.run_id) == wanted[1]


@pytest.mark.slow
def test_a_finished_run_keeps_its_last_checkpoint_alone(uri: str, tmp_path: Path) -> None:
    place = often(uri, tmp_path)
    run(small.config("dcgan", **CONFIG), place)
    assert [path.name for path in tmp_path.rglob("state*")] == ["state.safetensors"]
    (folder,) = (path.parent for path in tmp_path.rglob("state*"))
    assert checkpoints_of(folder.parent, folder.name).any


@pytest.mark.slow
def test_what_a_dead_run_holds_back_is_not_lost_and_not_sent_by_sync(uri: str, tmp_path: Path) -> None:
    place = often(uri, tmp_path / "runs")
    die(uri, place, 700)
    (told,) = pending_writes.deliver_waiting(tmp_path / "runs", uri)
    assert (told.left, told.problem) == (0, "")
    assert told.held > 0
    (again,) = pending_writes.deliver_waiting(tmp_path / "runs", uri)
    assert (again.sent, again.held) == (0, told.held)
    result = run(small.config("dcgan", **CONFIG), place)
    assert_equal(result, history(uri, result.run_id), whole(uri, tmp_path))


@pytest.mark.slow
def test_an_impatient_end_doubles_nothing(uri: str, tmp_path: Path) -> None:
    """Ctrl-C twice: what was written after the newest checkpoint is written again by whoever goes on, so it is not sent now."""
    place = often(uri, tmp_path / "runs")
    die(uri, place, 400)

    def interrupt(progress: RunProgress) -> None:
        if progress.images >= 900:
            raise KeyboardInterrupt

    stopped = run(small.config("dcgan", **CONFIG), replace(place, checkpoint_seconds=1e9), watch=interrupt)
    assert stopped.status == "interrupted"
    assert max(step for _, step, _ in history(uri, stopped.run_id)) <= 400
    result = run(small.config("dcgan", **CONFIG), place)
    assert result.run_id == stopped.run_id
    assert_equal(result, history(uri, result.run_id), whole(uri, tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("at", [0, 400])
def test_a_stop_whose_checkpoint_cannot_be_written_doubles_nothing(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, at: int
) -> None:
    """A stop with no checkpoint at all, or one before the disk was full."""

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    place = often(uri, tmp_path / "runs")
    if at:
        die(uri, place, at)
    seen: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr("bench.core.serialization.write_atomic", full)
        stopped = run(
            small.config("dcgan", **CONFIG), place, watch=lambda told: seen.append(told.images), stop=lambda: bool(seen) and seen[-1] >= 900
        )
    assert stopped.status == "interrupted"
    assert "a checkpoint cannot be written" in caplog.text
    assert max((step for _, step, _ in history(uri, stopped.run_id)), default=0) <= at
    result = run(small.config("dcgan", **CONFIG), place)
    assert result.run_id == stopped.run_id
    assert_equal(result, history(uri, result.run_id), whole(uri, tmp_path))


@pytest.mark.slow
def test_a_start_that_was_cut_off_has_all_its_parameters_in_the_end(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient

    place = often(uri, tmp_path / "runs")

    def dead(*_: object, **__: object) -> None:
        raise Death

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_batch", dead)
        with pytest.raises(Death):
            run(small.config("dcgan", **CONFIG), place)
    gc.collect()
    (cut,) = store.connect(uri).search_runs(["1"])
    assert cut.data.params == {}
    result = run(small.config("dcgan", **CONFIG), place)
    assert result.run_id == cut.info.run_id
    params = store.connect(uri).get_run(result.run_id).data.params
    assert params == store.connect(uri).get_run(whole(uri, tmp_path)[0].run_id).data.params


@pytest.mark.slow
def test_an_end_that_has_not_arrived_is_the_end_all_the_same(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = often(uri, tmp_path / "runs", once=True)

    def dying(*_: object) -> None:
        raise Death

    with monkeypatch.context() as patch:
        patch.setattr("bench.tracking.delivery.Posted.close", dying)
        with pytest.raises(Death):
            run(small.config("dcgan", **CONFIG), place)
    gc.collect()
    again = run(small.config("dcgan", **CONFIG), place)
    assert again.status == "there"
    assert history(uri, again.run_id) == whole(uri, tmp_path)[1]


def test_a_run_that_had_ended_when_its_worker_died_stays_finished(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = often(uri, tmp_path / "runs")

    def dying(*_: object) -> None:
        raise Death

    with monkeypatch.context() as patch:
        patch.setattr("bench.tracking.delivery.Posted.close", dying)
        with pytest.raises(Death):
            run(small.config("dcgan", **CONFIG), place)
    pending_writes.end_all(next((tmp_path / "runs").glob("*/")), uri)
    (found,) = store.connect(uri).search_runs(["1"])
    assert found.data.tags["status"] == "finished"


@pytest.mark.slow
def test_of_a_run_that_does_not_go_on_everything_is_sent(uri: str, tmp_path: Path) -> None:
    place = often(uri, tmp_path / "runs")
    die(uri, place, 700)
    (dead,) = store.connect(uri).search_runs(["1"])
    before = len(history(uri, dead.info.run_id))
    pending_writes.end_all(next((tmp_path / "runs").glob("*/")), uri)
    after = history(uri, dead.info.run_id)
    assert len(after) > before
    assert after == [point for point in whole(uri, tmp_path)[1] if point in set(after)]
    assert not list((tmp_path / "runs").rglob("outbox"))


def test_a_run_whose_worker_died_for_good_resumes_with_no_point_twice(uri: str, tmp_path: Path) -> None:
    """What came after its checkpoint is not sent when it is recorded as failed: it is written again."""
    place = often(uri, tmp_path / "runs")
    die(uri, place, 700)
    (dead,) = store.connect(uri).search_runs(["1"])
    fingerprint = dead.data.tags["fingerprint"]
    config = small.config("dcgan", **CONFIG)
    result = jobs.failed(RunJob.of(config, place, fingerprint), "killed (out of memory?)")
    assert (result.status, result.run_id) == ("failed", dead.info.run_id)
    again = run(config, place)
    assert (again.status, again.run_id) == ("finished", dead.info.run_id)
    assert_equal(again, history(uri, again.run_id), whole(uri, tmp_path))


@pytest.mark.slow
def test_what_a_killed_write_left_is_swept_away(uri: str, tmp_path: Path) -> None:
    place = often(uri, tmp_path / "runs")
    die(uri, place, 700)
    folder = next((tmp_path / "runs").glob("*/"))
    for name in (".state.new-1a2b3c4d", "state.new", "state-before.new"):
        (folder / name).write_bytes(b"half")
    run(small.config("dcgan", **CONFIG), place)
    assert {path.name for path in folder.iterdir()} == {"state.safetensors"}
