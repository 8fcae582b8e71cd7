"""Messages from workers to the driver."""

from __future__ import annotations

import json
import logging
import threading
from typing import Any

import pytest

from bench.scheduling import messages
from bench.scheduling.messages import MessageBoard, WorkerReporter, relay


def read(board: MessageBoard) -> list[dict[str, Any]]:
    return [json.loads(message) for _, message in board.read()]


def test_messages_are_read_once_and_answered_with_the_stop() -> None:
    board = MessageBoard()
    assert not board.post("one", "a")
    board.stop()
    assert board.post("two", "b")
    assert board.read() == [("one", "a"), ("two", "b")]
    assert board.read() == []


def test_all_messages_arrive_before_the_end() -> None:
    board = MessageBoard()
    with WorkerReporter("key", board.post) as reporter:
        assert read(board) == [{"progress": None, "lines": []}]  # the job has started
        reporter.progress({"images": 1})
        reporter.progress({"images": 2})
        logging.getLogger("bench.runs.runner").warning("two\nlines of %s", "[red]")
        logging.getLogger("bench.runs.runner").info("not worth it")
    logging.getLogger("bench.runs.runner").warning("after the job")
    received = read(board)
    assert [one["progress"] for one in received if one["progress"]][-1] == {"images": 2}
    assert [line for one in received for line in one["lines"]] == [
        {"logger": "bench.runs.runner", "level": 30, "text": "two\nlines of [red]"}
    ]


def test_progress_is_reported_while_the_job_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "SECONDS", 0.01)
    arrived = threading.Event()

    def exchange(_: str, message: str) -> bool:
        if json.loads(message)["progress"]:
            arrived.set()
        return arrived.is_set()

    with WorkerReporter("key", exchange) as reporter:
        assert not reporter.stop()
        reporter.progress({"images": 1})
        assert arrived.wait(60)
    assert reporter.stop()


def test_a_worker_whose_driver_died_stops() -> None:
    def fail(*_: str) -> bool:
        raise ConnectionError("the driver is dead")

    with WorkerReporter("key", fail) as reporter:
        assert reporter.stop()


def test_an_error_comes_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    board = MessageBoard()
    with WorkerReporter("key", board.post):
        try:
            raise RuntimeError("broken")
        except RuntimeError:
            logging.getLogger("bench.runs.runner").exception("it failed")
    caplog.clear()
    for message in read(board):
        relay("dcgan seed 0", message["lines"])
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("bench.runs.runner", "ERROR")
    assert record.getMessage().startswith("dcgan seed 0: it failed\nTraceback")
    assert "RuntimeError: broken" in record.getMessage()


def test_a_line_with_the_name_of_its_job_is_not_changed(caplog: pytest.LogCaptureFixture) -> None:
    relay("dcgan seed 0", [{"logger": "a", "level": 30, "text": "3 writes of dcgan seed 0 are pending"}])
    assert [record.getMessage() for record in caplog.records] == ["3 writes of dcgan seed 0 are pending"]
