"""Warnings on their way from a worker to the driver's terminal."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from bench.worker_log import Relay, writing


def test_warnings_come_through_once_under_the_jobs_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "job" / "warnings.jsonl"
    relay = Relay("dcgan seed 0", file)
    relay.pass_on()
    with writing(file):
        logging.getLogger("bench.run").warning("two\nlines of %s", "[red]")
        logging.getLogger("bench.run").info("not worth it")
    caplog.clear()
    relay.pass_on()
    relay.pass_on()
    relayed = [(record.name, record.levelname, record.getMessage()) for record in caplog.records]
    assert relayed == [("bench.run", "WARNING", "dcgan seed 0: two\nlines of [red]")]


def test_an_error_comes_with_its_traceback_and_the_file_goes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "warnings.jsonl"
    relay = Relay("dcgan seed 0", file)
    with writing(file):
        try:
            raise RuntimeError("broken")
        except RuntimeError:
            logging.getLogger("bench.run").exception("it failed")
    logging.getLogger("bench.run").warning("after the job")
    caplog.clear()
    relay.close()
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert "it failed\nTraceback" in record.getMessage()
    assert "RuntimeError: broken" in record.getMessage()
    assert not file.exists()


def test_half_a_line_waits_and_what_is_none_is_shown_as_it_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "warnings.jsonl"
    file.write_text("of a driver that died\n")
    relay = Relay("dcgan seed 0", file)
    relay.pass_on()
    file.write_text('{"logger": "a", "level": 30,')
    relay.pass_on()
    assert not caplog.records
    with file.open("a") as more:
        more.write(' "text": "whole"}\nno json\n')
    relay.pass_on()
    assert [record.getMessage() for record in caplog.records] == ["dcgan seed 0: whole", "dcgan seed 0: no json"]


def test_a_line_that_names_its_job_is_left_as_it_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    relay = Relay("dcgan seed 0", tmp_path / "warnings.jsonl")
    with writing(tmp_path / "warnings.jsonl"):
        logging.getLogger("bench.delivery").warning("3 writes of dcgan seed 0 wait")
    caplog.clear()
    relay.close()
    assert [record.getMessage() for record in caplog.records] == ["3 writes of dcgan seed 0 wait"]
