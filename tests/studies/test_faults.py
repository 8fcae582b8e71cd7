"""Fault injection: killed workers and processes during a study. No trial is missing, and none is recorded twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from optuna.trial import FrozenTrial, TrialState
from small_study import STUDY, planned

from studies.kinds import open_storage
from studies.optuna_studies import open_study
from studies.storage import AGAIN
from studies.study import Plan

pytestmark = pytest.mark.faults

SWEEP = """
import sys
sys.path[:0] = sys.argv[1:]
import small_study
from studies.study import Plan
small_study.swept(Plan.model_validate_json(sys.stdin.read()), workers=2)
"""
LONG = replace(STUDY, trials=6, settings={**STUDY.settings, "budget.images": 40_000, "evaluation.marks": 3}, pruner="median")


def start(plan: Plan) -> subprocess.Popen[str]:
    support = Path(__file__).parents[1] / "support"
    process = subprocess.Popen([sys.executable, "-c", SWEEP, str(support)], stdin=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdin is not None
    process.stdin.write(plan.model_dump_json())
    process.stdin.close()
    return process


def runs(plan: Plan) -> list[Any]:
    client = MlflowClient(tracking_uri=plan.uri)
    found = client.get_experiment_by_name(plan.study)
    return list(client.search_runs([found.experiment_id], max_results=1000)) if found else []


def workers(plan: Plan) -> list[int]:
    """Return the ids of the processes that are training."""
    tags = [run.data.tags for run in runs(plan)]
    pids = [int(tag["owner"].rpartition(":")[2]) for tag in tags if tag.get("status") == "running" and "owner" in tag]
    return [pid for pid in dict.fromkeys(pids) if Path(f"/proc/{pid}").exists()]


def trials(plan: Plan, arm: int) -> list[FrozenTrial]:
    return open_study(plan, plan.arms[arm], open_storage(plan.storage)).get_trials()


def check(plan: Plan) -> None:
    """Assert that the study has the requested trials, one run for each score, and one repetition of each trial of a dead worker."""
    ended = [run for run in runs(plan) if run.data.tags["kind"] == "run" and run.data.tags["status"] in ("finished", "pruned", "diverged")]
    done = Counter(run.data.tags["fingerprint"] for run in ended)
    assert set(done.values()) == {1}
    assert len(done) == 12
    for arm in (0, 1):
        found = trials(plan, arm)
        complete = [trial for trial in found if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)]
        assert len(complete) == 6
        assert len({str(trial.params) for trial in complete}) == 6
        dead = [trial for trial in found if trial.state == TrialState.FAIL]
        assert len(complete) + len(dead) == len(found)
        again = {trial.user_attrs[AGAIN]: trial for trial in found if AGAIN in trial.user_attrs}
        assert sorted(again) == [trial.number for trial in dead]
        assert all(again[trial.number].params == trial.params for trial in dead if len(trial.params) == 3)
        assert found[0].user_attrs["default"]


def test_five_killed_workers(uri: str, tmp_path: Path) -> None:
    plan = planned(uri, tmp_path, LONG)
    process = start(plan)
    killed: list[int] = []
    deadline = time.monotonic() + 600
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(2.0)
        fresh = [pid for pid in workers(plan) if pid not in killed]
        if len(killed) < 5 and fresh:
            os.kill(fresh[0], signal.SIGKILL)
            killed.append(fresh[0])
    assert process.wait(timeout=60) == 0
    assert len(killed) == 5
    check(plan)


def test_a_killed_process_and_its_workers(uri: str, tmp_path: Path) -> None:
    plan = planned(uri, tmp_path, LONG)
    for seconds in (25, 35):
        process = start(plan)
        time.sleep(seconds)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    # Ray workers exit shortly after their driver.
    deadline = time.monotonic() + 60
    while workers(plan) and time.monotonic() < deadline:
        time.sleep(1.0)
    process = start(plan)
    assert process.wait(timeout=600) == 0
    check(plan)
