"""Delivery of writes. A store that does not answer stops no run, and the pending writes arrive later."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import small
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST, INVALID_PARAMETER_VALUE
from real_runs import pending
from requests import HTTPError, Response
from serving import end, free_port, serving

from bench.core.errors import UserError
from bench.core.lock_check import LockLost
from bench.metrics.columns import FID_CLASSIFIER
from bench.runs.lock import FILE, run_lock
from bench.runs.pending_writes import deliver_earlier, deliver_pending
from bench.runs.runner import run
from bench.runs.types import RunProgress, RunResult
from bench.tracking import delivery, results, store
from bench.tracking.client import Tracker
from bench.tracking.delivery import RETRY_SECONDS, public_uri
from bench.tracking.journal import RunJournal, Write
from bench.tracking.run_logger import RunLog
from bench.tracking.tags import LOGGED_ARTIFACTS

TAGS = {"kind": "run", "variant": "dcgan", "dataset": "digits", "seed": "3", "fingerprint": "abc", "suite": "small", "curve_protocol": "p"}


def answer(status: int) -> Response:
    """Return a server's response with a status code."""
    found = Response()
    found.status_code = status
    return found


class Flaky:
    """Client that raises `error`, if it is set, at every call."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.error: Exception | None = None
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        return self._guarded(found) if callable(found) else found

    def _guarded(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*words: Any, **named: Any) -> Any:
            self.calls += 1
            if self.error:
                raise self.error
            return call(*words, **named)

        return guarded


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return a list whose only item is the time of the delivery."""
    now = [1000.0]
    monkeypatch.setattr("bench.tracking.delivery.time.monotonic", lambda: now[0])
    return now


def started(uri: str, folder: Path) -> tuple[RunLog, Flaky]:
    """Start a run with its journal in a folder, and return its log and its client, which can fail."""
    tracker = Tracker(uri, "small")
    flaky = Flaky(tracker.client)
    tracker.client = flaky  # type: ignore[assignment]
    return tracker.start_run("dcgan-s3", TAGS, {"seed": 3}, folder=folder / "small" / "abc"), flaky


def test_entries_of_other_logged_artifacts_stay(uri: str, tmp_path: Path) -> None:
    """A user logs a table to a run while it trains. It stays when the run ends, and when a process delivers that end again."""
    log, client = started(uri, tmp_path)
    client.log_table(log.run_id, {"a": [1]}, "mine.json")
    log.points({FID_CLASSIFIER: 1.0}, images=10, train_seconds=1.0)
    log.finish("finished")
    run_log = RunLog(Tracker(uri, "small").client, RunJournal(run_id=log.run_id), resumed=True)  # as `ganbench score`
    run_log.points({FID_CLASSIFIER: 2.0}, images=10, train_seconds=1.0)
    run_log.finish("finished")
    logged = json.loads(Tracker(uri, "small").client.get_run(log.run_id).data.tags[LOGGED_ARTIFACTS])
    assert [entry["path"] for entry in logged] == ["mine.json", results.METRICS]


@pytest.mark.parametrize("damaged", ["", "no JSON", "{}", "[" * 5000])
def test_a_damaged_list_of_logged_artifacts_is_replaced(damaged: str, uri: str, tmp_path: Path) -> None:
    log, client = started(uri, tmp_path)
    client.set_tag(log.run_id, LOGGED_ARTIFACTS, damaged)
    log.points({FID_CLASSIFIER: 1.0}, images=10, train_seconds=1.0)
    log.finish("finished")
    tags = Tracker(uri, "small").client.get_run(log.run_id).data.tags
    assert (tags["status"], [entry["path"] for entry in json.loads(tags[LOGGED_ARTIFACTS])]) == ("finished", [results.METRICS])


def written(log: RunLog) -> None:
    """Write the points, an artifact and the end of a run. One value needs full precision."""
    log.points({"train/loss_d": 0.1 + 0.2, "train/loss_g": math.nan}, images=10, train_seconds=1.0)
    log.flush()
    log.artifact("grids/final.png", b"picture")
    log.points({"train/loss_d": 2.5}, images=20, train_seconds=2.0)
    log.finish("finished")


def history(uri: str, run_id: str, key: str = "train/loss_d") -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in store.connect(uri).get_metric_history(run_id, key)]


def assert_complete(uri: str, run_id: str) -> None:
    """Assert that the store has every write of `written` once."""
    assert history(uri, run_id) == [(10, 0.1 + 0.2), (20, 2.5)]
    found = results.load(uri, ("small",))
    row = found.runs.set_index("run_id").loc[run_id]
    assert (row["status"], row["train/loss_d"]) == ("finished", 2.5)
    picture = found.artifact(run_id, "grids/final.png")
    assert picture is not None
    assert picture.read_bytes() == b"picture"
    assert sorted(found.curves["images"]) == [10, 10, 20]
    info = store.connect(uri).get_run(run_id).info
    assert (info.status, info.end_time is not None) == ("FINISHED", True)


def assert_nothing_pending(runs: Path) -> None:
    """Assert that `metrics.jsonl` is the only file of the run."""
    assert [path.name for path in runs.rglob("*") if path.is_file()] == ["metrics.jsonl"]
    assert pending(runs) == []


def test_an_undisturbed_run_leaves_no_files(uri: str, tmp_path: Path) -> None:
    log, _ = started(uri, tmp_path / "runs")
    written(log)
    assert_complete(uri, log.run_id)
    assert_nothing_pending(tmp_path / "runs")


@pytest.mark.parametrize("error", [ConnectionError("away"), OSError(28, "No space left on device"), RuntimeError("database is\nlocked")])
def test_a_store_that_never_answers_stops_no_run(uri: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, error: Exception) -> None:
    log, flaky = started(uri, tmp_path / "runs")
    flaky.error = error
    written(log)
    file = tmp_path / "runs" / "small" / "abc" / f"end-{log.run_id}.json"
    first, last = [record.getMessage() for record in caplog.records if record.name == "bench.tracking.delivery"]
    assert "does not answer" in first
    assert (
        last
        == f"5 writes of dcgan seed 3 are pending in {file}: run `ganbench sync --runs-dir {tmp_path / 'runs'}` when the store answers again"
    )
    assert not any("\n" in text for text in (first, last))
    (outcome,) = deliver_pending(tmp_path / "runs", uri)
    assert (outcome.name, outcome.sent, outcome.pending, outcome.problem) == ("dcgan seed 3", 5, 0, "")
    assert_complete(uri, log.run_id)
    assert_nothing_pending(tmp_path / "runs")
    assert list(deliver_pending(tmp_path / "runs", uri)) == []


def test_delivery_is_retried_until_the_store_answers(
    uri: str, tmp_path: Path, clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    log, flaky = started(uri, tmp_path / "runs")
    flaky.error, before = ConnectionError("away"), flaky.calls
    for images in range(10):
        log.points({"train/loss_d": float(images)}, images=images, train_seconds=1.0)
        log.allow_points(images + 1)
    assert flaky.calls == before + 1
    clock[0] += RETRY_SECONDS
    log.flush()
    assert flaky.calls == before + 2
    flaky.error = None
    log.flush()
    assert history(uri, log.run_id) == []  # the next delivery is not due yet
    clock[0] += RETRY_SECONDS
    log.flush()
    assert history(uri, log.run_id) == [(images, float(images)) for images in range(10)]
    assert len([record for record in caplog.records if record.name == "bench.tracking.delivery"]) == 1
    log.points({"train/loss_d": 10.0}, images=10, train_seconds=1.0)
    clock[0] += RETRY_SECONDS
    log.flush()
    assert len(history(uri, log.run_id)) == 10  # no checkpoint holds the last point
    log.finish("finished")
    assert len(history(uri, log.run_id)) == 11
    assert "pending in" not in caplog.text


def test_slow_failures_delay_a_run_little(uri: str, tmp_path: Path, clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    log, _ = started(uri, tmp_path / "runs")

    def hangs(*_: object) -> None:
        clock[0] += 5.0
        raise TimeoutError("no answer in 5 s")

    monkeypatch.setattr(delivery, "send", hangs)
    start = clock[0]
    for _ in range(1000):
        log.flush()
        log.tag(a="b")
        clock[0] += 1.0
    lost = clock[0] - start - 1000
    assert 0 < lost < 0.06 * 1000


def test_sending_twice_has_the_effect_of_sending_once(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, _ = started(uri, tmp_path / "runs")
    sent = delivery.send

    def twice(*words: Any) -> None:
        sent(*words)
        sent(*words)

    monkeypatch.setattr(delivery, "send", twice)
    written(log)
    assert_complete(uri, log.run_id)


def test_no_password_reaches_the_disk(tmp_path: Path) -> None:
    class Client:
        tracking_uri = "postgresql://user:hunter2@host/db?password=hunter2"

        def log_batch(self, *_: object, **__: object) -> None:
            raise ConnectionError(f"no way to {self.tracking_uri}")

    journal = RunJournal(folder=tmp_path, run_id="r", name="dcgan seed 0", store=public_uri(Client.tracking_uri))
    log = RunLog(Client(), journal)  # type: ignore[arg-type]
    log.points({"train/loss_d": 1.0}, images=1, train_seconds=1.0)
    log.finish("finished")
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert any(b"postgresql://host/db" in file.read_bytes() for file in files)
    assert not any(b"hunter2" in file.read_bytes() for file in files)


@pytest.mark.parametrize(
    ("uri", "public"),
    [
        ("http://user:secret@host:5000/", "http://host:5000"),
        ("http://host:5000", "http://host:5000"),
        ("sqlite:////a/mlflow.db", "sqlite:////a/mlflow.db"),
        ("mysql://u:p@host/db?ssl_key=x", "mysql://host/db"),
    ],
)
def test_public_uris(uri: str, public: str) -> None:
    assert public_uri(uri) == public


def test_without_a_folder_a_store_that_does_not_answer_is_one_line(uri: str) -> None:
    client = Flaky(store.connect(uri))
    log = RunLog(client, RunJournal(run_id="r"))  # type: ignore[arg-type]
    client.error = ConnectionError("away\nfrom here")
    with pytest.raises(UserError, match="does not answer: away from here"):
        log.tag(a="b")


def two_pending(uri: str, runs: Path) -> list[RunLog]:
    logs = []
    for _ in range(2):
        log, flaky = started(uri, runs)
        flaky.error = ConnectionError("away")
        written(log)
        logs.append(log)
    return sorted(logs, key=lambda log: log.run_id)


def test_one_damaged_journal_does_not_block_the_others(uri: str, tmp_path: Path) -> None:
    first, second = two_pending(uri, tmp_path / "runs")
    (broken,) = (tmp_path / "runs").glob(f"**/end-{first.run_id}.json")
    broken.write_bytes(broken.read_bytes()[:-1])
    outcomes = list(deliver_pending(tmp_path / "runs", uri))
    assert [(one.sent, one.pending) for one in outcomes] == [(0, 1), (5, 0)]
    assert outcomes[0].problem.startswith(f"{broken} is damaged: ")
    assert_complete(uri, second.run_id)
    assert history(uri, first.run_id) == []
    assert broken.exists()


def test_a_damaged_artifact_is_named_and_the_other_writes_arrive(uri: str, tmp_path: Path) -> None:
    log, flaky = started(uri, tmp_path / "runs")
    flaky.error = ConnectionError("away")
    written(log)
    (file,) = (tmp_path / "runs").rglob("final.png")
    whole = file.read_bytes()
    for content in (b"Picture", None):
        file.unlink() if content is None else file.write_bytes(content)
        (outcome,) = deliver_pending(tmp_path / "runs", uri)
        assert (outcome.pending, "damaged" in outcome.problem) == (1, True)
        assert history(uri, log.run_id) == [(10, 0.1 + 0.2), (20, 2.5)]
    file.write_bytes(whole)
    assert [one.pending for one in deliver_pending(tmp_path / "runs", uri)] == [0]
    assert_complete(uri, log.run_id)


def test_a_run_that_the_store_refuses_is_logged_and_the_others_arrive(uri: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first, second = two_pending(uri, tmp_path / "runs")
    store.connect(uri).delete_run(first.run_id)
    deliver_earlier(tmp_path / "runs", uri)
    assert "3 writes of dcgan seed 3 are pending: " in caplog.text  # artifacts are files, so the store accepts them
    assert_complete(uri, second.run_id)


REFUSALS = (
    MlflowException("API request to endpoint /api/2.0/mlflow/runs/log-batch failed with error code 413 != 200. Response body: ''"),
    MlflowException("too long", error_code=INVALID_PARAMETER_VALUE),
    HTTPError("413 Client Error", response=answer(413)),
)


@pytest.mark.parametrize("refusal", REFUSALS, ids=["rest", "store", "artifact"])
def test_a_permanently_refused_write_blocks_nothing_and_is_not_lost(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, refusal: Exception
) -> None:
    send = delivery.send

    def refusing(client: Any, write: Write, file: Path | None) -> None:
        if write.kind == "artifact" and write.body["path"].startswith("grids/"):
            raise refusal
        send(client, write, file)

    log, _ = started(uri, tmp_path / "runs")
    with monkeypatch.context() as patch:
        patch.setattr(delivery, "send", refusing)
        written(log)
        assert store.connect(uri).get_run(log.run_id).data.tags["status"] == "finished"
        assert history(uri, log.run_id) == [(10, 0.1 + 0.2), (20, 2.5)]
        assert "grids/final.png" in caplog.text
        (outcome,) = deliver_pending(tmp_path / "runs", uri)
        assert (outcome.sent, outcome.pending, bool(outcome.problem)) == (0, 1, True)
    (outcome,) = deliver_pending(tmp_path / "runs", uri)
    assert (outcome.sent, outcome.pending, outcome.problem) == (1, 0, "")
    assert_complete(uri, log.run_id)
    assert list((tmp_path / "runs").glob("**/*.json")) == []


def test_a_finished_run_that_the_store_refuses_is_not_trained_again(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The finished run is recorded, although its artifact store fails at each call."""
    send = delivery.send

    def failing(client: Any, write: Write, file: Path | None) -> None:
        if write.kind == "artifact" and write.body["path"].startswith("weights/"):
            raise MlflowException("500 Internal Server Error")
        send(client, write, file)

    context = replace(small.context(uri, tmp_path / "runs"), once=True)
    with monkeypatch.context() as patch:
        patch.setattr(delivery, "send", failing)
        first = run(small.config(), context)
        second = run(small.config(), context)
        assert (first.status, second.status, second.run_id) == ("finished", "recorded", first.run_id)
        assert len(results.load(uri, ("small",)).runs) == 1
    third = run(small.config(), context)  # delivers the pending writes
    assert (third.status, results.load(uri, ("small",)).runs["status"].tolist()) == ("recorded", ["finished"])


def full(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_full_disk_loses_nothing_while_the_store_answers(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("bench.tracking.journal.write_atomic", full)
    log, _ = started(uri, tmp_path / "runs")
    written(log)
    assert_complete(uri, log.run_id)
    assert caplog.text.count("cannot be written") == 1
    assert "lost" not in caplog.text


def test_writes_lost_without_store_and_disk_are_logged_as_an_error(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("bench.tracking.journal.write_atomic", full)
    log, flaky = started(uri, tmp_path / "runs")
    flaky.error = ConnectionError("away")
    written(log)
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.getMessage().startswith("5 writes of dcgan seed 3 are lost")


def test_a_holder_that_lost_the_run_lock_while_sending_acknowledges_nothing(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No write is acknowledged, because the new lock holder may have written an artifact of the same path."""
    log, _ = started(uri, tmp_path / "runs")
    lost = False

    def check() -> None:
        if lost:
            raise LockLost("another process has it")

    def slow(*_: object) -> None:
        nonlocal lost
        lost = True

    journal = RunJournal(run_id=log.run_id, folder=tmp_path)
    journal.artifact("grids/final.png", b"picture")
    monkeypatch.setattr(delivery, "send", slow)
    with pytest.raises(LockLost):
        delivery.deliver(store.connect(uri), journal, points=0, check=check)
    assert (tmp_path / "artifacts" / log.run_id / "grids" / "final.png").exists()


def test_a_store_that_was_removed_stops_no_later_run(uri: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    two_pending(uri, tmp_path / "runs")
    path = store.sqlite_path(uri)
    assert path is not None
    path.unlink()
    deliver_earlier(tmp_path / "runs", uri)
    assert caplog.text.count("there is no store") == 2
    with pytest.raises(UserError):
        list(deliver_pending(tmp_path / "runs", uri))


@pytest.mark.parametrize(
    ("kind", "refused"), [("DataError", True), ("IntegrityError", True), ("TimeoutError", False), ("InternalError", False)]
)
def test_a_temporary_error_of_a_database_is_no_permanent_refusal(kind: str, refused: bool) -> None:
    text = f"(psycopg.errors.{kind}) no (Background on this error at: https://sqlalche.me/e/20/abcd)"
    assert store.is_refusal(MlflowException(text, error_code=BAD_REQUEST)) == refused


@pytest.mark.parametrize("status", [401, 408, 429, 500, 503])
def test_a_transient_refusal_is_retried(status: int) -> None:
    assert not store.is_refusal(HTTPError("no", response=answer(status)))
    assert not store.is_refusal(MlflowException(f"API request to endpoint x failed with error code {status} != 200"))
    assert not store.is_refusal(ConnectionError("away"))


def test_another_store_gets_no_writes(uri: str, tmp_path: Path) -> None:
    two_pending(uri, tmp_path / "runs")
    other = f"sqlite:///{tmp_path}/other.db"
    outcomes = list(deliver_pending(tmp_path / "runs", other))
    assert [(one.sent, one.pending, one.meant_for) for one in outcomes] == [(0, 5, uri)] * 2
    assert not (tmp_path / "other.db").exists()


def test_a_store_that_still_does_not_answer_loses_nothing(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two_pending(uri, tmp_path / "runs")

    def away(*_: object) -> None:
        raise ConnectionError("away")

    with monkeypatch.context() as patch:
        patch.setattr(delivery, "send", away)
        patch.setattr(store, "connect", lambda uri: (_ for _ in ()).throw(UserError("the tracking store does not answer")))
        with pytest.raises(UserError, match="does not answer"):
            list(deliver_pending(tmp_path / "runs", uri))
    assert [one.sent for one in deliver_pending(tmp_path / "runs", uri)] == [5, 5]


def test_a_journal_in_use_is_skipped(uri: str, tmp_path: Path) -> None:
    log, flaky = started(uri, tmp_path / "runs")
    flaky.error = ConnectionError("away")
    written(log)
    with run_lock([tmp_path / "runs" / "small" / "abc" / FILE], give_up=lambda: True):
        (outcome,) = deliver_pending(tmp_path / "runs", uri, wait_seconds=0)
    assert (outcome.busy, outcome.sent) == (True, 0)
    assert [one.sent for one in deliver_pending(tmp_path / "runs", uri)] == [5]


@pytest.mark.parametrize("checkpoint", [True, False])
def test_a_run_resumes_though_its_store_refuses_the_writes_of_its_end(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checkpoint: bool, whole: tuple[str, RunResult]
) -> None:
    """The run resumes from a checkpoint with all points. Without a checkpoint it restarts, because none of its points was sent."""
    send, calls, away = delivery.send, iter(range(10**6)), [True]

    def failing(client: Any, write: Write, file: Path | None) -> None:
        if away and write.kind == "artifact" and write.body["path"] == results.CURVES:
            raise MlflowException("500 Internal Server Error")
        send(client, write, file)

    def interrupt(progress: RunProgress) -> None:
        if not checkpoint and progress.images >= 320:
            raise KeyboardInterrupt

    context = replace(small.context(uri, tmp_path / "runs"), once=True)
    monkeypatch.setattr(delivery, "send", failing)
    stopped = run(small.config(), context, watch=interrupt, stop=lambda: checkpoint and next(calls) >= 7)
    assert stopped.status == "interrupted"
    assert len(list((tmp_path / "runs").rglob("end-*.json"))) == 1
    result = run(small.config(), context, watch=lambda _: away.clear())
    assert (result.run_id, result.status) == (stopped.run_id, "finished")
    assert curve(uri, result.run_id) == curve(whole[0], whole[1].run_id)


def curve(uri: str, run_id: str) -> list[tuple[int, str, float]]:
    """Return the points of a run that do not depend on time."""
    client = store.connect(uri)
    keys = [key for key in client.get_run(run_id).data.metrics if not key.startswith("perf/")]
    return sorted((point.step, key, point.value) for key in keys for point in client.get_metric_history(run_id, key))


def test_a_run_whose_store_stops_answering_finishes_and_is_complete_after_sync(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: tuple[str, RunResult]
) -> None:
    away = False
    sent = delivery.send

    def flaky(*words: Any) -> None:
        if away:
            raise ConnectionError("away")
        sent(*words)

    def leave(_: RunProgress) -> None:
        nonlocal away
        away = True

    monkeypatch.setattr(delivery, "send", flaky)
    result = run(small.config(), small.context(uri, tmp_path / "runs"), watch=leave)
    assert (result.status, result.reason) == ("finished", "")
    assert store.connect(uri).get_run(result.run_id).data.tags["status"] == "running"
    away = False
    deliver_earlier(tmp_path / "runs", uri)
    assert store.connect(uri).get_run(result.run_id).data.tags["status"] == "finished"
    assert curve(uri, result.run_id) == curve(whole[0], whole[1].run_id)
    curves = [results.load(store_uri, (suite,)).curves for store_uri, suite in ((uri, "small"), (whole[0], "whole"))]
    points = [
        frame[~frame["key"].str.startswith("perf/")][["images", "key", "value"]].fillna({"value": -1.0}).to_numpy().tolist()
        for frame in curves
    ]
    assert len(points[0]) > 50
    assert points[0] == points[1]


def test_a_run_stopped_while_its_store_does_not_answer_resumes_bit_for_bit(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: tuple[str, RunResult]
) -> None:
    sent, calls = delivery.send, iter(range(10**6))

    def away(*_: object) -> None:
        raise ConnectionError("away")

    monkeypatch.setattr(delivery, "send", away)
    stopped = run(small.config(), small.context(uri, tmp_path / "runs"), stop=lambda: next(calls) >= 7)
    assert stopped.status == "interrupted"
    monkeypatch.setattr(delivery, "send", sent)
    deliver_earlier(tmp_path / "runs", uri)
    resumed = run(small.config(), small.context(uri, tmp_path / "runs"))
    assert (resumed.run_id, resumed.status) == (stopped.run_id, "finished")
    assert curve(uri, resumed.run_id) == curve(whole[0], whole[1].run_id)


@pytest.mark.slow  # starts an MLflow server twice
def test_a_server_killed_during_a_run(migrated_store: Path, tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(migrated_store.read_bytes())
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    killed = threading.Event()
    with serving(tmp_path, port) as server:
        whole = run(small.config(), small.context(uri, tmp_path / "other", "whole"))

        def kill(progress: RunProgress) -> None:
            if progress.images > 320 and not killed.is_set():
                end(server)
                killed.set()

        result = run(small.config(), small.context(uri, tmp_path / "runs"), watch=kill)
        assert killed.is_set()
        assert result.status == "finished"
        with pytest.raises(UserError, match="does not answer"):
            list(deliver_pending(tmp_path / "runs", uri))
    with serving(tmp_path, port):
        (outcome,) = deliver_pending(tmp_path / "runs", uri)
        assert (outcome.pending, outcome.problem) == (0, "")
        assert curve(uri, result.run_id) == curve(uri, whole.run_id)
        found = results.load(uri, ("small", "whole"))
        assert found.runs["status"].tolist() == ["finished", "finished"]
        for name in (results.WEIGHTS, results.FINAL_GRID):
            files = [found.artifact(one.run_id, name) for one in (result, whole)]
            assert files[0] is not None
            assert files[1] is not None
            assert files[0].read_bytes() == files[1].read_bytes()
