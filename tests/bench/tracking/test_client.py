"""Writes of runs and parent runs, which are read back unchanged."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from bench.core.errors import UserError
from bench.tracking import results
from bench.tracking.client import Tracker
from bench.tracking.journal import BATCH, RunJournal
from bench.tracking.run_logger import RunLog

KID = "quality/kid_classifier"
TAGS = {"kind": "run", "variant": "dcgan", "dataset": "digits", "seed": "3", "fingerprint": "abc", "suite": "small", "curve_protocol": "p"}


def started(uri: str, **tags: str) -> RunLog:
    return Tracker(uri, "small").start_run("dcgan-s3", {**TAGS, **tags}, {"recipe.lr_g": 0.1, "seed": 3})


def test_points_artifacts_and_status_are_read_back(uri: str) -> None:
    log = started(uri)
    for images in (10, 20):
        log.points({"train/loss_d": images / 4, "train/loss_g": math.nan}, images=images, train_seconds=images / 10)
    log.json("evidence.json", {"b": 1, "a": [1.5, None]})
    log.artifact("grids/final.png", b"picture")
    log.finish("finished")

    found = results.load(uri, ("small",))
    row = found.runs.iloc[0]
    assert (row["variant"], row["seed"], row["status"], row["param:recipe.lr_g"]) == ("dcgan", 3, "finished", "0.1")
    assert row["train/loss_d"] == 5.0
    assert found.read_json(log.run_id, "evidence.json") == {"a": [1.5, None], "b": 1}
    picture = found.artifact(log.run_id, "grids/final.png")
    assert picture is not None
    assert picture.read_bytes() == b"picture"
    assert found.artifact(log.run_id, "nothing.png") is None
    curve = found.curves
    assert curve["images"].tolist() == [10, 10, 20, 20]
    assert curve[curve["key"] == "train/loss_d"]["value"].tolist() == [2.5, 5.0]
    assert curve[curve["key"] == "train/loss_g"]["value"].isna().all()  # the curve has values that MLflow cannot plot

    history = Tracker(uri, "small").client.get_metric_history(log.run_id, "train/loss_d")
    assert [(point.step, point.value) for point in history] == [(10, 2.5), (20, 5.0)]
    assert not Tracker(uri, "small").client.get_metric_history(log.run_id, "train/loss_g")


def test_standard_errors_are_in_the_results_and_a_table_but_no_metrics(uri: str) -> None:
    log = started(uri)
    log.points({KID: 0.5, f"{KID}_se": 0.2, "train/loss_d": 1.0}, images=10, train_seconds=1.0)
    log.points({KID: 0.4, f"{KID}_se": 0.1, "quality/spectrum": math.nan}, images=20, train_seconds=2.0)
    log.finish("finished")
    client = Tracker(uri, "small").client
    assert client.get_run(log.run_id).data.metrics == {KID: 0.4, "train/loss_d": 1.0}
    found = results.load(uri, ("small",))
    assert found.runs.iloc[0][f"{KID}_se"] == 0.1
    assert found.read_json(log.run_id, results.METRICS) == {
        "columns": ["metric", "value", "standard error"],
        "data": [[KID, 0.4, 0.1], ["quality/spectrum", None, None]],
    }
    table = client.load_table(client.get_run(log.run_id).info.experiment_id, results.METRICS, [log.run_id])
    assert table.set_index("metric").loc[KID, "standard error"] == 0.1


def test_standard_errors_of_earlier_versions_are_read(uri: str) -> None:
    log = started(uri)
    log.points({KID: 0.5, f"{KID}_se": 0.2}, images=10, train_seconds=1.0)
    log.finish("finished")
    client = Tracker(uri, "small").client
    client.log_metric(log.run_id, f"{KID}_se", 0.3, synchronous=True)
    assert results.load(uri, ("small",)).runs.iloc[0][f"{KID}_se"] == 0.2  # measured again by this version
    without = Tracker(uri, "other").start_run("dcgan-s3", TAGS, {})
    client.log_metric(without.run_id, f"{KID}_se", 0.3, synchronous=True)
    assert results.load(uri, ("other",)).runs.iloc[0][f"{KID}_se"] == 0.3  # interrupted: it has no curve


def test_the_last_points_have_the_step_of_the_budget(uri: str) -> None:
    log = started(uri)
    log.end_at(100)
    for images in (50, 99, 104):
        log.points({"train/loss_d": float(images)}, images=images, train_seconds=1.0)
    log.finish("finished")
    history = Tracker(uri, "small").client.get_metric_history(log.run_id, "train/loss_d")
    assert [(point.step, point.value) for point in history] == [(50, 50.0), (99, 99.0), (100, 104.0)]
    assert results.load(uri, ("small",)).curves["images"].tolist() == [50, 99, 104]


def test_more_points_than_fit_in_one_call(uri: str) -> None:
    log = started(uri)
    for images in range(BATCH + 5):
        log.points({"train/loss_d": 1.0}, images=images, train_seconds=0.0)
    log.finish("finished")
    assert len(Tracker(uri, "small").client.get_metric_history(log.run_id, "train/loss_d")) == BATCH + 5


@pytest.mark.parametrize("status", ["finished", "diverged", "interrupted", "failed", "pruned"])
def test_every_status_closes_the_run(uri: str, status: str) -> None:
    log = started(uri)
    log.finish(status, "because\nof <this>")
    row = results.load(uri, ("small",)).runs.iloc[0]
    assert (row["status"], row["reason"]) == (status, "because\nof <this>")
    assert Tracker(uri, "small").client.get_run(log.run_id).info.end_time is not None


def test_a_reopened_run_has_its_tags_and_parameters(uri: str) -> None:
    log = started(uri)
    log.finish("interrupted", "stopped")
    tracker = Tracker(uri, "small")
    tracker.reopen_run(log.run_id, {**TAGS, "curve_protocol": "q", "note": "n"}, {"seed": 3}, resumed=True, renew=("curve_protocol",))
    found = tracker.client.get_run(log.run_id)
    assert found.info.status == "RUNNING"
    assert [found.data.tags.get(tag) for tag in ("status", "reason", "curve_protocol", "note")] == ["running", "", "q", None]
    tracker.reopen_run(log.run_id, {**TAGS, "note": "n"}, {"budget.images": 5}, resumed=False)
    found = tracker.client.get_run(log.run_id)
    assert (found.data.tags["note"], found.data.params["budget.images"]) == ("n", "5")


def test_a_resumed_log_keeps_its_curve_and_sends_no_point_twice(uri: str, tmp_path: Path) -> None:
    tracker = Tracker(uri, "small")
    log = tracker.start_run("r", TAGS, {}, folder=tmp_path)
    log.points({"train/loss_d": 1.0}, images=1, train_seconds=0.1)
    state = log.state_dict()
    log.finish("interrupted")
    again = tracker.reopen_run(log.run_id, TAGS, {}, resumed=True, folder=tmp_path)
    again.load_state_dict(state)
    again.points({"train/loss_d": 2.0}, images=2, train_seconds=0.2)
    again.finish("finished")
    assert results.load(uri, ("small",)).curves["value"].tolist() == [1.0, 2.0]
    assert len(tracker.client.get_metric_history(log.run_id, "train/loss_d")) == 2
    assert [json.loads(line)["images"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()] == [1, 2]


def test_points_to_be_logged_again_are_in_the_curve_but_not_in_the_store(uri: str, tmp_path: Path) -> None:
    tracker = Tracker(uri, "small")
    log = tracker.start_run("r", TAGS, {}, folder=tmp_path)
    for images in (1, 2):
        log.points({"train/loss_d": 1.0}, images=images, train_seconds=0.1)
    log.limit_points(1)
    log.finish("failed")
    assert [point.step for point in tracker.client.get_metric_history(log.run_id, "train/loss_d")] == [1]
    assert results.load(uri, ("small",)).curves["images"].tolist() == [1, 2]


def test_artifacts_are_beside_a_sqlite_store_in_any_working_folder(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    log = started(uri)
    log.artifact("a.txt", b"x")
    log.finish("finished")
    assert not list(elsewhere.iterdir())
    assert (tmp_path / "mlruns" / "small" / log.run_id / "artifacts" / "a.txt").exists()


def test_curve_has_plain_columns(uri: str) -> None:
    log = started(uri)
    log.finish("finished")
    path = results.load(uri, ("small",)).artifact(log.run_id, results.CURVES)
    assert path is not None
    frame = pd.read_parquet(path)
    assert list(frame.columns) == ["images", "seconds", "key", "value"]
    assert len(frame) == 0


def test_a_deleted_experiment_is_one_clear_line(uri: str) -> None:
    tracker = Tracker(uri, "small")
    tracker.client.delete_experiment(tracker._experiment_id)
    with pytest.raises(
        UserError, match=f"'small' is deleted in MLflow: run `mlflow experiments restore --experiment-id {tracker._experiment_id}`"
    ):
        Tracker(uri, "small")


def away(*_: object, **__: object) -> None:
    raise ConnectionError("away\nfrom here")


def test_a_run_that_cannot_start_is_one_clear_line(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = Tracker(uri, "small")
    monkeypatch.setattr(tracker.client, "create_run", away)
    with pytest.raises(UserError, match=f"the tracking store {uri} does not answer: away from here"):
        tracker.start_run("r", TAGS, {}, folder=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_an_execution_continues_without_its_own_record(uri: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    tracker = Tracker(uri, "small")
    parent = tracker.start_parent("an execution", {})
    monkeypatch.setattr(tracker.client, "set_tag", away)
    tracker.end_parent(parent, "finished")
    monkeypatch.setattr(tracker.client, "create_run", away)
    assert tracker.start_parent("another", {}) == ""
    ended, started = [record.getMessage() for record in caplog.records]
    assert ended.startswith("cannot set the status of the parent run to finished: ")
    assert started.endswith("the parent run of this command is not recorded")


def test_other_errors_in_creating_an_experiment_are_raised(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    create = MlflowClient.create_experiment

    def refused(client: MlflowClient, name: str, **more: Any) -> str:
        create(client, name, **more)
        raise MlflowException("the folder of artifacts is refused")

    monkeypatch.setattr(MlflowClient, "create_experiment", refused)
    with pytest.raises(UserError, match="the folder of artifacts is refused"):
        Tracker(uri, "new")


def test_an_experiment_that_another_process_has_just_created_is_used(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    create = MlflowClient.create_experiment

    def second(client: MlflowClient, name: str, **more: Any) -> str:
        create(client, name, **more)
        return create(client, name, **more)

    monkeypatch.setattr(MlflowClient, "create_experiment", second)
    assert Tracker(uri, "new").find("0" * 16) == []


WRITES: dict[str, Callable[[Tracker, str], object]] = {
    "start": lambda tracker, run_id: tracker.start_run("r", TAGS, {"seed": 3}),
    "resume": lambda tracker, run_id: tracker.reopen_run(run_id, TAGS, {"seed": 3}, resumed=True),
    "close": lambda tracker, run_id: tracker.close(run_id, "failed", "it died"),
    "tag": lambda tracker, run_id: tracker.tag(run_id, {"note": "n"}),
    "reopen": lambda tracker, run_id: tracker.reopen(run_id),
    "metrics": lambda tracker, run_id: tracker.metrics(run_id, [("train/loss_d", 1.0, 1)]),
    "tags": lambda tracker, run_id: RunLog(tracker.client, RunJournal(run_id=run_id)).tag(note="n"),
    "end": lambda tracker, run_id: RunLog(tracker.client, RunJournal(run_id=run_id)).finish("failed"),
}


@pytest.mark.parametrize("write", WRITES)
def test_a_refused_write_is_an_error_though_mlflow_logs_asynchronously(uri: str, monkeypatch: pytest.MonkeyPatch, write: str) -> None:
    log = started(uri)
    log.finish("interrupted")
    tracker = Tracker(uri, "small")
    monkeypatch.setenv("MLFLOW_ENABLE_ASYNC_LOGGING", "true")

    def refuse(*_: object, **__: object) -> None:
        raise MlflowException("refused")

    for name in ("log_batch", "set_tag"):
        monkeypatch.setattr(SqlAlchemyStore, name, refuse)
    with pytest.raises((UserError, MlflowException), match="refused"):
        WRITES[write](tracker, log.run_id)


def test_an_execution_that_cannot_be_closed_is_logged_though_mlflow_logs_asynchronously(
    uri: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = Tracker(uri, "small")
    parent = tracker.start_parent("p", {})
    monkeypatch.setenv("MLFLOW_ENABLE_ASYNC_LOGGING", "true")

    def refuse(*_: object, **__: object) -> None:
        raise MlflowException("refused")

    monkeypatch.setattr(SqlAlchemyStore, "set_tag", refuse)
    tracker.end_parent(parent, "finished")
    assert "refused" in caplog.text
