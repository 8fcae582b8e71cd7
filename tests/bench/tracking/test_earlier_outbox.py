"""Outboxes of versions before the journal. Their writes are delivered once."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import small

from bench.core import serialization
from bench.runs.pending_writes import deliver_pending
from bench.runs.runner import run
from bench.runs.types import RunResult
from bench.tracking import store
from bench.tracking.client import Tracker
from bench.tracking.delivery import public_uri


def put(outbox: Path, number: int, kind: str, body: dict[str, Any], content: bytes = b"") -> None:
    """Save a write as an earlier version did."""
    entry = {"kind": kind, "run_id": outbox.name, "name": "dcgan seed 0", "uri": (outbox / "uri").read_text(), "body": body}
    if content:
        entry["artifact_sha256"] = hashlib.sha256(content).hexdigest()
        (outbox / f"{number:08d}").mkdir()
        (outbox / f"{number:08d}" / Path(body["path"]).name).write_bytes(content)
    digest = hashlib.sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()
    (outbox / f"{number:08d}.json").write_text(json.dumps({"entry": entry, "sha256": digest}))


@pytest.fixture
def outbox(uri: str, tmp_path: Path) -> Path:
    """Return an outbox with writes of a run that is recorded as running."""
    run_id = Tracker(uri, "small").start_run("r", {"kind": "run"}, {}).run_id
    found = tmp_path / "runs" / "small" / "0123456789abcdef" / "outbox" / run_id
    found.mkdir(parents=True)
    (found / "uri").write_text(public_uri(uri))
    put(found, 3, "artifact", {"path": "grids/final.png"}, b"picture")
    put(found, 4, "points", {"points": [["train/loss_d", 0.5, 1700, 10]]})
    put(found, 5, "points", {"points": [["train/loss_d", 0.25, 1800, 20]]})
    return found


def history(uri: str, outbox: Path) -> list[tuple[int, float, int]]:
    return [(point.step, point.value, point.timestamp) for point in store.connect(uri).get_metric_history(outbox.name, "train/loss_d")]


def test_all_writes_of_an_ended_run_arrive(uri: str, outbox: Path, tmp_path: Path) -> None:
    put(outbox, 6, "tags", {"tags": {"status": "finished", "reason": ""}})
    put(outbox, 7, "end", {"status": "FINISHED", "ms": 1900})
    (outbox / "held").write_text("5 x")  # this file has no effect
    (outbox / "refused").mkdir()
    (outbox / "00000004.json").rename(outbox / "refused" / "00000004.json")
    (outcome,) = deliver_pending(tmp_path / "runs", uri)
    assert (outcome.name, outcome.pending, outcome.problem) == ("dcgan seed 0", 0, "")
    assert history(uri, outbox) == [(10, 0.5, 1700), (20, 0.25, 1800)]
    run = store.connect(uri).get_run(outbox.name)
    assert (run.info.status, run.info.end_time, run.data.tags["status"]) == ("FINISHED", 1900, "finished")
    assert (tmp_path / "mlruns" / "small" / outbox.name / "artifacts" / "grids" / "final.png").read_bytes() == b"picture"
    assert [path for path in (tmp_path / "runs").rglob("*") if path.is_file()] == []


def earlier(state: dict[str, Any]) -> dict[str, Any]:
    """Return a checkpoint in the format of an earlier version."""
    log = state["log"]
    return {
        **state,
        "log": {"run_id": log["run_id"], "points": [point[:4] for point in log["points"]], "seconds": log["seconds"], "position": 5},
    }


@pytest.mark.parametrize("pending", [False, True])
def test_a_checkpoint_of_an_earlier_version_resumes(uri: str, tmp_path: Path, pending: bool, whole: tuple[str, RunResult]) -> None:
    """If the store has all its writes, the same run resumes. Otherwise a new run gets the whole curve."""
    calls, context = iter(range(10**6)), small.context(uri, tmp_path / "runs")
    stopped = run(small.config(), context, stop=lambda: next(calls) >= 7)
    for path in (tmp_path / "runs").rglob("state*.safetensors"):
        serialization.save(earlier(serialization.load(path)), path)
    (folder,) = (tmp_path / "runs").glob("*/")
    if pending:
        outbox = folder / "outbox" / stopped.run_id
        outbox.mkdir(parents=True)
        (outbox / "uri").write_text(public_uri(uri))
        put(outbox, 5, "points", {"points": [["train/loss_d", 0.5, 1700, 10]]})
        (outbox / "held").write_text("5 x")
    result = run(small.config(), context)
    assert (result.status, result.run_id == stopped.run_id) == ("finished", not pending)
    histories = [
        [(point.step, point.value) for point in store.connect(of).get_metric_history(run_id, "train/loss_d")]
        for of, run_id in ((uri, result.run_id), (whole[0], whole[1].run_id))
    ]
    assert histories[0] == histories[1]
    assert {path.name for path in folder.iterdir()} == {"state.safetensors", "metrics.jsonl"}


def test_a_damaged_outbox_is_named_and_not_removed(uri: str, outbox: Path, tmp_path: Path) -> None:
    put(outbox, 6, "end", {"status": "FINISHED", "ms": 1900})
    broken = outbox / "00000004.json"
    broken.write_text(broken.read_text().replace("0.5", "0.6"))
    (outcome,) = deliver_pending(tmp_path / "runs", uri)
    assert outcome.problem.startswith(f"{broken} is damaged: ")
    assert history(uri, outbox) == []
    assert broken.exists()


def test_checkpoints_of_a_study_named_outbox_are_not_outboxes(uri: str, tmp_path: Path) -> None:
    state = tmp_path / "runs" / "outbox" / "0123456789abcdef" / "state.safetensors"
    state.parent.mkdir(parents=True)
    state.write_bytes(b"a checkpoint")
    assert list(deliver_pending(tmp_path / "runs", uri)) == []
    assert state.exists()
