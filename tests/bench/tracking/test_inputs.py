"""The data of a run is in MLflow once, however often it is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from bench.core.errors import UserError
from bench.tracking import store
from bench.tracking.client import Tracker
from bench.tracking.inputs import data_inputs, send_inputs
from bench.tracking.journal import DamagedJournal, RunJournal

DIGEST = "0123456789abcdef" * 4
INPUTS = data_inputs("fashion-mnist", DIGEST, (1, 28, 28), "uint8")
WANTED = [("fashion-mnist", "0123456789abcdef-test", "testing"), ("fashion-mnist", "0123456789abcdef-train", "training")]


def recorded(run: Run) -> list[tuple[str, str, str]]:
    found = [(one.dataset.name, one.dataset.digest, one.tags[0].value) for one in run.inputs.dataset_inputs]
    return sorted(found)


def test_a_run_has_the_train_and_the_test_split(uri: str) -> None:
    tracker = Tracker(uri, "small")
    log = tracker.start_run("r", {"kind": "run"}, {})
    log.inputs(INPUTS)
    tracker.start_run("another", {"kind": "run"}, {})
    assert recorded(tracker.client.get_run(log.run_id)) == WANTED
    for query in ("dataset.name = 'fashion-mnist'", "dataset.digest = '0123456789abcdef-train'", "dataset.context = 'testing'"):
        found = tracker.client.search_runs([tracker.client.get_experiment_by_name("small").experiment_id], query)
        assert [run.info.run_id for run in found] == [log.run_id]


def test_the_data_of_several_runs_is_stored_once(uri: str) -> None:
    tracker = Tracker(uri, "small")
    logs = [tracker.start_run("r", {"kind": "run"}, {}) for _ in range(2)]
    for log in (*logs, *logs):
        log.inputs(INPUTS)
    assert [recorded(tracker.client.get_run(log.run_id)) for log in logs] == [WANTED, WANTED]


def test_a_resumed_run_sends_pending_data(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = Tracker(uri, "small")
    log = tracker.start_run("r", {"kind": "run"}, {}, folder=tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_inputs", unreachable)
        log.inputs(INPUTS)
    state = log.state_dict()
    assert not recorded(tracker.client.get_run(log.run_id))
    again = tracker.reopen_run(log.run_id, {}, {}, resumed=True, folder=tmp_path)
    again.load_state_dict(state)
    again.finish("finished")
    assert recorded(tracker.client.get_run(log.run_id)) == WANTED


def unreachable(*words: object, **options: object) -> None:
    raise ConnectionError("the server is gone")


def test_two_processes_may_record_new_data_at_the_same_time(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow refuses a dataset that another process creates between its search and its insert."""
    tracker = Tracker(uri, "small")
    log = tracker.start_run("r", {"kind": "run"}, {}, folder=tmp_path)
    real, calls = MlflowClient.log_inputs, []

    def late(self: Any, run_id: str, datasets: Any) -> None:
        calls.append(run_id)
        if len(calls) == 1:
            raise MlflowException(
                "(sqlite3.IntegrityError) UNIQUE constraint failed (Background on this error at: https://sqlalche.me/e/20/gkpj)", 1000
            )
        real(self, run_id, datasets=datasets)

    monkeypatch.setattr(MlflowClient, "log_inputs", late)
    log.inputs(INPUTS)
    log.finish("finished")
    assert recorded(tracker.client.get_run(log.run_id)) == WANTED


def test_a_store_that_refuses_data_gets_the_rest(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*words: object, **options: object) -> None:
        raise MlflowException("API request to endpoint failed with error code 404 != 200", 1)

    monkeypatch.setattr(MlflowClient, "log_inputs", refuse)
    tracker = Tracker(uri, "small")
    log = tracker.start_run("r", {"kind": "run"}, {}, folder=tmp_path)
    log.inputs(INPUTS)
    log.finish("finished")
    assert tracker.client.get_run(log.run_id).data.tags["status"] == "finished"
    assert "the store refuses the data" in caplog.text
    (file,) = tmp_path.glob("end-*.json")
    assert RunJournal.read(file).inputs == INPUTS  # `ganbench sync` tries it again


def test_without_a_journal_the_store_must_take_the_data(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Tracker(uri, "small").start_run("r", {"kind": "run"}, {})
    monkeypatch.setattr(MlflowClient, "log_inputs", unreachable)
    with pytest.raises(UserError, match="the server is gone"):
        log.inputs(INPUTS)


def test_a_journal_survives_a_checkpoint(tmp_path: Path) -> None:
    journal = RunJournal(folder=tmp_path, run_id="r", inputs=INPUTS)
    assert journal.pending == 1
    again = RunJournal.from_state(journal.state_dict(), tmp_path)
    write = again.next_write(0)
    assert write is not None
    assert (write.kind, write.body) == ("inputs", {"inputs": [one.model_dump() for one in INPUTS]})
    again.refuse(write)
    assert (again.next_write(0), again.pending) == (None, 1)
    assert RunJournal.from_state(again.state_dict(), tmp_path).inputs == INPUTS
    journal.acknowledge(write)
    assert (journal.next_write(0), journal.pending) == (None, 0)


@pytest.mark.parametrize("inputs", [[{"name": "x"}], "text", [{**INPUTS[0].model_dump(), "digest": "d" * 37}]])
def test_a_journal_with_damaged_data_is_refused(inputs: Any, tmp_path: Path) -> None:
    state = RunJournal(folder=tmp_path, run_id="r").state_dict()
    with pytest.raises(DamagedJournal):
        RunJournal.from_state({**state, "inputs": inputs}, tmp_path)
    del state["inputs"]  # a checkpoint of an earlier version
    assert RunJournal.from_state(state, tmp_path).inputs == []


def test_long_names_fit_into_mlflow(uri: str) -> None:
    tracker = Tracker(uri, "small")
    log = tracker.start_run("r", {"kind": "run"}, {})
    send_inputs(
        store.connect(uri), log.run_id, [one.model_dump() for one in data_inputs(f"folder:/{'x' * 600}", DIGEST, (3, 64, 64), "uint8")]
    )
    assert len(recorded(tracker.client.get_run(log.run_id))) == 2
