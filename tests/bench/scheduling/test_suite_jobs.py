"""Jobs, their JSON for workers, and the records of jobs whose workers died."""

from __future__ import annotations

from pathlib import Path

import pytest
import small

from bench.core import serialization
from bench.runs.action import choose_action
from bench.scheduling import jobs
from bench.scheduling.jobs import Job
from bench.scheduling.suite_jobs import RunJob
from bench.tracking.client import Tracker
from bench.tracking.results import load


def a_job(uri: str, folder: Path) -> RunJob:
    return RunJob.of(small.config(), small.context(uri, folder), "abc")


def test_the_checkpoint_interval_is_sent_with_the_job(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANBENCH_CHECKPOINT_SECONDS", "7")
    one = a_job(uri, tmp_path)
    assert one.context.checkpoint_seconds == 7
    monkeypatch.delenv("GANBENCH_CHECKPOINT_SECONDS")
    received = Job.from_json(one.model_dump_json())
    assert received == one
    assert isinstance(received, RunJob)
    assert received.config.canonical() == one.config.canonical()


def test_a_dead_worker_is_a_failed_run(uri: str, tmp_path: Path) -> None:
    log = Tracker(uri, "small").start_run("r", {"kind": "run", "fingerprint": "abc", "variant": "label-smoothed"}, {})
    result = jobs.fail_job(a_job(uri, tmp_path), "the worker died: out of memory")
    assert (result.status, result.run_id) == ("failed", log.run_id)
    assert load(uri, ("small",)).runs.iloc[0]["reason"] == "the worker died: out of memory"


def test_a_run_of_a_lost_machine_is_interrupted_and_can_be_resumed(uri: str, tmp_path: Path) -> None:
    tags = {"kind": "run", "fingerprint": "abc", "variant": "label-smoothed", "curve_protocol": "p"}
    log = Tracker(uri, "small").start_run("r", tags, {})
    Tracker(uri, "small").tag(log.run_id, {"owner": "another-machine:7"})
    a_job(uri, tmp_path).record_stop("its node was lost")
    assert load(uri, ("small",)).runs.iloc[0][["status", "reason"]].tolist() == ["interrupted", "its node was lost"]
    found = Tracker(uri, "small").find("abc")
    assert choose_action(found, protocol="", curve_protocols=["p"]).run_id == log.run_id


def test_a_store_that_does_not_answer_is_logged_without_a_traceback(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(_: str) -> None:
        raise ConnectionError("away")

    monkeypatch.setattr("bench.tracking.store.create", away)
    result = jobs.fail_job(a_job(uri, tmp_path), "killed")
    assert (result.status, result.run_id) == ("failed", "")
    assert "cannot record that label-smoothed seed 0 failed: " in caplog.text
    a_job(uri, tmp_path).record_stop("its node was lost")
    assert "cannot record that label-smoothed seed 0 is interrupted: " in caplog.text


def test_writes_in_the_checkpoint_of_a_dead_worker_are_delivered(uri: str, tmp_path: Path) -> None:
    tags = {"kind": "run", "fingerprint": "abc", "variant": "label-smoothed"}
    log = Tracker(uri, "small").start_run("r", tags, {}, folder=tmp_path / "abc")
    log.points({"train/loss_d": 1.0}, images=1, train_seconds=1.0)
    serialization.save({"log": log.state_dict()}, tmp_path / "abc" / "state.safetensors")
    log.points({"train/loss_d": 2.0}, images=2, train_seconds=2.0)  # the resumed run logs it again
    assert jobs.fail_job(a_job(uri, tmp_path), "killed").run_id == log.run_id
    row = load(uri, ("small",)).runs.iloc[0]
    assert (row["status"], row["train/loss_d"]) == ("failed", 1.0)
