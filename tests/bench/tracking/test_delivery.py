"""Delivery: a store that goes away stops nothing, and what waited arrives as if it never had."""

from __future__ import annotations

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
from requests import HTTPError, Response
from serving import end, free_port, serving

from bench.core.errors import UserError
from bench.runs.lock import FILE, run_lock
from bench.runs.pending_writes import catch_up, deliver_waiting
from bench.runs.runner import run
from bench.runs.types import RunProgress
from bench.tracking import delivery, results, store
from bench.tracking.client import Tracker
from bench.tracking.delivery import RETRY_SECONDS, Direct, public_uri
from bench.tracking.entry import Entry
from bench.tracking.run_logger import RunLog
from bench.tracking.spool import Outbox

TAGS = {"kind": "run", "variant": "dcgan", "dataset": "digits", "seed": "3", "fingerprint": "abc", "suite": "small", "curve_protocol": "p"}


def answer(status: int) -> Response:
    """What a server says."""
    found = Response()
    found.status_code = status
    return found


class Flaky:
    """A client of a store that is away, or refuses, as long as it is told to."""

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
    """The time, in a list of one, that delivery sees."""
    now = [1000.0]
    monkeypatch.setattr("bench.tracking.delivery.time.monotonic", lambda: now[0])
    return now


def started(uri: str, folder: Path) -> tuple[RunLog, Flaky]:
    """A run with its outboxes in a folder, and the client that can be made to fail."""
    tracker = Tracker(uri, "small")
    flaky = Flaky(tracker.client)
    tracker.client = flaky  # type: ignore[assignment]
    return tracker.start_run("dcgan-s3", TAGS, {"seed": 3}, outbox=folder / "small" / "abc" / "outbox"), flaky


def written(log: RunLog) -> None:
    """What a run writes, with a number that only full precision keeps."""
    log.points({"train/loss_d": 0.1 + 0.2, "train/loss_g": math.nan}, images=10, train_seconds=1.0)
    log.flush()
    log.artifact("grids/final.png", b"picture")
    log.points({"train/loss_d": 2.5}, images=20, train_seconds=2.0)
    log.finish("finished")


def history(uri: str, run_id: str, key: str = "train/loss_d") -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in store.connect(uri).get_metric_history(run_id, key)]


def assert_complete(uri: str, run_id: str) -> None:
    """All that `written` wrote is there, once."""
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


def test_nothing_stays_of_an_undisturbed_run(uri: str, tmp_path: Path) -> None:
    log, _ = started(uri, tmp_path / "runs")
    written(log)
    assert_complete(uri, log.run_id)
    assert list((tmp_path / "runs" / "small").iterdir()) == []


@pytest.mark.parametrize("error", [ConnectionError("away"), OSError(28, "No space left on device"), RuntimeError("database is\nlocked")])
def test_a_store_that_is_away_for_good_stops_nothing(uri: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, error: Exception) -> None:
    log, flaky = started(uri, tmp_path / "runs")
    flaky.error = error
    written(log)
    folder = tmp_path / "runs" / "small" / "abc" / "outbox" / log.run_id
    first, last = [record.getMessage() for record in caplog.records if record.name == "bench.tracking.delivery"]
    assert "does not answer" in first
    assert last == f"6 writes of dcgan seed 3 wait in {folder}: `ganbench sync --runs-dir {tmp_path / 'runs'}` when the store answers again"
    assert not any("\n" in text for text in (first, last))
    (told,) = deliver_waiting(tmp_path / "runs", uri)
    assert (told.name, told.sent, told.left, told.problem) == ("dcgan seed 3", 6, 0, "")
    assert_complete(uri, log.run_id)
    assert list((tmp_path / "runs" / "small").iterdir()) == []
    assert list(deliver_waiting(tmp_path / "runs", uri)) == []


def test_it_is_tried_again_now_and_then_and_delivered_when_the_store_is_back(
    uri: str, tmp_path: Path, clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    log, flaky = started(uri, tmp_path / "runs")
    flaky.error, before = ConnectionError("away"), flaky.calls
    for images in range(10):
        log.points({"train/loss_d": float(images)}, images=images, train_seconds=1.0)
        log.flush()
    assert flaky.calls == before + 1
    clock[0] += RETRY_SECONDS
    log.flush()
    assert flaky.calls == before + 2
    flaky.error = None
    log.flush()
    assert history(uri, log.run_id) == []  # not yet due
    clock[0] += RETRY_SECONDS
    log.flush()
    assert history(uri, log.run_id) == [(images, float(images)) for images in range(10)]
    assert len([record for record in caplog.records if record.name == "bench.tracking.delivery"]) == 1
    log.finish("finished")
    assert "wait in" not in caplog.text


def test_slow_failures_cost_a_run_little(uri: str, tmp_path: Path, clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    log, _ = started(uri, tmp_path / "runs")

    def hangs(*_: object) -> None:
        clock[0] += 5.0
        raise TimeoutError("no answer in 5 s")

    monkeypatch.setattr(delivery, "send", hangs)
    begun = clock[0]
    for _ in range(1000):
        log.flush()
        log.tag(a="b")
        clock[0] += 1.0
    lost = clock[0] - begun - 1000
    assert 0 < lost < 0.06 * 1000


def test_sending_twice_is_sending_once(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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

    posted = delivery.Posted(Client(), "r", name="dcgan seed 0", folder=tmp_path)  # type: ignore[arg-type]
    posted.put("tags", {"tags": {"a": "b"}})
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


def test_without_an_outbox_a_store_that_is_away_is_one_line(uri: str) -> None:
    client = Flaky(store.connect(uri))
    log = RunLog(client, "r", delivery=Direct(client, "r"))  # type: ignore[arg-type]
    client.error = ConnectionError("away\nfrom here")
    with pytest.raises(UserError, match="does not answer: away from here"):
        log.tag(a="b")


def two_waiting(uri: str, runs: Path) -> list[RunLog]:
    logs = []
    for _ in range(2):
        log, flaky = started(uri, runs)
        flaky.error = ConnectionError("away")
        written(log)
        logs.append(log)
    return sorted(logs, key=lambda log: log.run_id)


def test_one_damaged_outbox_does_not_hold_up_the_others(uri: str, tmp_path: Path) -> None:
    first, second = two_waiting(uri, tmp_path / "runs")
    (broken,) = (tmp_path / "runs").glob(f"**/{first.run_id}/00000003.json")
    broken.write_bytes(broken.read_bytes()[:-1])
    told = list(deliver_waiting(tmp_path / "runs", uri))
    assert [(one.sent, one.left) for one in told] == [(2, 4), (6, 0)]
    assert told[0].problem.startswith(f"{broken} is damaged: ")
    assert_complete(uri, second.run_id)
    assert history(uri, first.run_id) == [(10, 0.1 + 0.2)]


def test_a_run_that_the_store_refuses_is_said_and_the_others_arrive(uri: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first, second = two_waiting(uri, tmp_path / "runs")
    store.connect(uri).delete_run(first.run_id)
    catch_up(tmp_path / "runs", uri)
    assert "4 writes of dcgan seed 3 wait: " in caplog.text  # its artifacts are files, which no store refuses
    assert_complete(uri, second.run_id)


REFUSALS = (
    MlflowException("API request to endpoint /api/2.0/mlflow/runs/log-batch failed with error code 413 != 200. Response body: ''"),
    MlflowException("too long", error_code=INVALID_PARAMETER_VALUE),
    HTTPError("413 Client Error", response=answer(413)),
)


@pytest.mark.parametrize("refusal", REFUSALS, ids=["rest", "store", "artifact"])
def test_a_write_that_is_refused_for_good_holds_nothing_up_and_is_not_lost(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, refusal: Exception
) -> None:
    send = delivery.send

    def refusing(client: Any, entry: Entry, file: Path | None) -> None:
        if entry.kind == "artifact" and entry.body["path"].startswith("grids/"):
            raise refusal
        send(client, entry, file)

    log, _ = started(uri, tmp_path / "runs")
    with monkeypatch.context() as patch:
        patch.setattr(delivery, "send", refusing)
        written(log)
        assert store.connect(uri).get_run(log.run_id).data.tags["status"] == "finished"
        assert history(uri, log.run_id) == [(10, 0.1 + 0.2), (20, 2.5)]
        assert "grids/final.png" in caplog.text
        (told,) = deliver_waiting(tmp_path / "runs", uri)
        assert (told.sent, told.left, bool(told.problem)) == (0, 1, True)
    (told,) = deliver_waiting(tmp_path / "runs", uri)
    assert (told.sent, told.left, told.problem) == (1, 0, "")
    assert_complete(uri, log.run_id)
    assert list((tmp_path / "runs").glob("**/*.json")) == []


def test_a_finished_run_that_the_store_does_not_take_is_not_trained_again(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An artifact store that fails each time: the run has ended all the same."""
    send = delivery.send

    def failing(client: Any, entry: Entry, file: Path | None) -> None:
        if entry.kind == "artifact" and entry.body["path"].startswith("weights/"):
            raise MlflowException("500 Internal Server Error")
        send(client, entry, file)

    place = replace(small.place(uri, tmp_path / "runs"), once=True)
    with monkeypatch.context() as patch:
        patch.setattr(delivery, "send", failing)
        first = run(small.config(), place)
        second = run(small.config(), place)
        assert (first.status, second.status, second.run_id) == ("finished", "there", first.run_id)
        assert len(results.load(uri, ("small",)).runs) == 1
    third = run(small.config(), place)  # delivers the rest
    assert (third.status, results.load(uri, ("small",)).runs["status"].tolist()) == ("there", ["finished"])


def test_the_checkpoints_of_a_study_named_outbox_are_no_outboxes(uri: str, tmp_path: Path) -> None:
    state = tmp_path / "runs" / "outbox" / "0123456789abcdef" / "state.safetensors"
    state.parent.mkdir(parents=True)
    state.write_bytes(b"a checkpoint")
    assert list(deliver_waiting(tmp_path / "runs", uri)) == []
    assert state.exists()


def test_an_outbox_removes_only_what_is_its_own(tmp_path: Path) -> None:
    other = tmp_path / "outbox" / "r" / "notes.txt"
    other.parent.mkdir(parents=True)
    other.write_text("mine")
    Outbox(other.parent).close()
    assert other.exists()


def test_a_store_that_was_removed_stops_no_later_run(uri: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    two_waiting(uri, tmp_path / "runs")
    path = store.sqlite_path(uri)
    assert path is not None
    path.unlink()
    catch_up(tmp_path / "runs", uri)
    assert caplog.text.count("there is no store") == 2
    with pytest.raises(UserError):
        list(deliver_waiting(tmp_path / "runs", uri))


@pytest.mark.parametrize(
    ("kind", "refused"), [("DataError", True), ("IntegrityError", True), ("TimeoutError", False), ("InternalError", False)]
)
def test_a_database_that_is_out_of_order_for_a_while_refuses_nothing_for_good(kind: str, refused: bool) -> None:
    text = f"(psycopg.errors.{kind}) no (Background on this error at: https://sqlalche.me/e/20/abcd)"
    assert store.refuses(MlflowException(text, error_code=BAD_REQUEST)) == refused


@pytest.mark.parametrize("passing", [401, 408, 429, 500, 503])
def test_a_refusal_that_may_pass_is_tried_again(passing: int) -> None:
    assert not store.refuses(HTTPError("no", response=answer(passing)))
    assert not store.refuses(MlflowException(f"API request to endpoint x failed with error code {passing} != 200"))
    assert not store.refuses(ConnectionError("away"))


def test_another_store_gets_nothing(uri: str, tmp_path: Path) -> None:
    two_waiting(uri, tmp_path / "runs")
    other = f"sqlite:///{tmp_path}/other.db"
    told = list(deliver_waiting(tmp_path / "runs", other))
    assert [(one.sent, one.left, one.meant_for) for one in told] == [(0, 6, uri)] * 2
    assert not (tmp_path / "other.db").exists()


def test_a_store_that_is_still_away_loses_nothing(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two_waiting(uri, tmp_path / "runs")

    def away(*_: object) -> None:
        raise ConnectionError("away")

    with monkeypatch.context() as patch:
        patch.setattr(delivery, "send", away)
        patch.setattr(store, "connect", lambda uri: (_ for _ in ()).throw(UserError("the tracking store does not answer")))
        with pytest.raises(UserError, match="does not answer"):
            list(deliver_waiting(tmp_path / "runs", uri))
    assert [one.sent for one in deliver_waiting(tmp_path / "runs", uri)] == [6, 6]


def test_an_outbox_in_use_is_left_alone(uri: str, tmp_path: Path) -> None:
    log, flaky = started(uri, tmp_path / "runs")
    flaky.error = ConnectionError("away")
    log.tag(a="b")
    with run_lock([tmp_path / "runs" / "small" / "abc" / FILE], give_up=lambda: True):
        (told,) = deliver_waiting(tmp_path / "runs", uri, wait_seconds=0)
    assert (told.busy, told.sent, told.left) == (True, 0, 1)
    flaky.error = None
    log.finish("finished")


def test_a_run_is_resumed_only_when_all_it_wrote_has_arrived(uri: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    outbox = tmp_path / "runs" / "small" / "abc" / "outbox"
    log, flaky = started(uri, tmp_path / "runs")
    log.finish("interrupted")
    again = Tracker(uri, "small").resume_run({"fingerprint": "abc", "curve_protocol": "p", "protocol": "p"}, {}, outbox=outbox)
    assert again is not None
    again.points({"train/loss_d": 1.0}, images=1, train_seconds=1.0)
    state = again.state_dict()
    again.finish("interrupted")
    posted = delivery.Posted(flaky, log.run_id, name="dcgan seed 3", folder=outbox)  # type: ignore[arg-type]
    flaky.error = ConnectionError("away")
    posted.put("tags", {"tags": {"late": "yes"}})
    posted.close()
    (file,) = outbox.rglob("*.json")
    content = file.read_bytes()
    file.write_bytes(content[:-1])
    assert (
        Tracker(uri, "small").resume_run({"fingerprint": "abc", "curve_protocol": "p", "protocol": "p"}, {}, state=state, outbox=outbox)
        is None
    )
    assert f"{file} is damaged" in caplog.text
    file.write_bytes(content)
    last = Tracker(uri, "small").resume_run({"fingerprint": "abc", "curve_protocol": "p", "protocol": "p"}, {}, state=state, outbox=outbox)
    assert last is not None
    assert store.connect(uri).get_run(last.run_id).data.tags["late"] == "yes"
    last.finish("finished")


def curve(uri: str, run_id: str) -> list[tuple[int, str, float]]:
    """All points of a run that do not depend on time."""
    client = store.connect(uri)
    keys = [key for key in client.get_run(run_id).data.metrics if not key.startswith("perf/")]
    return sorted((point.step, key, point.value) for key in keys for point in client.get_metric_history(run_id, key))


def test_a_run_whose_store_goes_away_finishes_and_is_whole_after_sync(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(small.config(), small.place(uri, tmp_path / "other", "whole"))
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
    result = run(small.config(), small.place(uri, tmp_path / "runs"), watch=leave)
    assert (result.status, result.reason) == ("finished", "")
    assert store.connect(uri).get_run(result.run_id).data.tags["status"] == "running"
    away = False
    catch_up(tmp_path / "runs", uri)
    assert store.connect(uri).get_run(result.run_id).data.tags["status"] == "finished"
    assert curve(uri, result.run_id) == curve(uri, whole.run_id)
    both = results.load(uri, ("small", "whole"))
    curves = [both.curves[both.curves["run_id"] == one.run_id] for one in (result, whole)]
    kept = [frame[~frame["key"].str.startswith("perf/")][["images", "key", "value"]].fillna(-1.0).to_numpy().tolist() for frame in curves]
    assert len(kept[0]) > 50
    assert kept[0] == kept[1]


def test_a_run_stopped_while_its_store_is_away_goes_on_bit_for_bit(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(small.config(), small.place(uri, tmp_path / "other", "whole"))
    sent, calls = delivery.send, iter(range(10**6))

    def away(*_: object) -> None:
        raise ConnectionError("away")

    monkeypatch.setattr(delivery, "send", away)
    stopped = run(small.config(), small.place(uri, tmp_path / "runs"), stop=lambda: next(calls) >= 7)
    assert stopped.status == "interrupted"
    monkeypatch.setattr(delivery, "send", sent)
    catch_up(tmp_path / "runs", uri)
    resumed = run(small.config(), small.place(uri, tmp_path / "runs"))
    assert (resumed.run_id, resumed.status) == (stopped.run_id, "finished")
    assert curve(uri, resumed.run_id) == curve(uri, whole.run_id)


@pytest.mark.slow  # an MLflow server, twice
def test_a_server_killed_in_mid_run(migrated_store: Path, tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(migrated_store.read_bytes())
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    killed = threading.Event()
    with serving(tmp_path, port) as server:
        whole = run(small.config(), small.place(uri, tmp_path / "other", "whole"))

        def kill(progress: RunProgress) -> None:
            if progress.images > 320 and not killed.is_set():
                end(server)
                killed.set()

        result = run(small.config(), small.place(uri, tmp_path / "runs"), watch=kill)
        assert killed.is_set()
        assert result.status == "finished"
        with pytest.raises(UserError, match="does not answer"):
            list(deliver_waiting(tmp_path / "runs", uri))
    with serving(tmp_path, port):
        (told,) = deliver_waiting(tmp_path / "runs", uri)
        assert (told.left, told.problem) == (0, "")
        assert curve(uri, result.run_id) == curve(uri, whole.run_id)
        found = results.load(uri, ("small", "whole"))
        assert found.runs["status"].tolist() == ["finished", "finished"]
        for name in (results.WEIGHTS, results.FINAL_GRID):
            files = [found.artifact(one.run_id, name) for one in (result, whole)]
            assert files[0] is not None
            assert files[1] is not None
            assert files[0].read_bytes() == files[1].read_bytes()
