"""Studies on PostgreSQL for several machines: locks, heartbeats, and two processes that share the trials."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import optuna
import postgres
import pytest
from optuna.trial import TrialState
from small_study import ONE, Fake, planned, swept

from bench.core.config import RunConfig
from bench.core.errors import UserError
from studies.database import open_database
from studies.kinds import open_storage
from studies.optuna_studies import open_study
from studies.storage import AGAIN

pytestmark = [pytest.mark.slow, pytest.mark.skipif(postgres.binaries() is None, reason=postgres.MISSING)]

HOLDER = """
import sys, time, optuna
from studies.database import open_database
storage = open_database(sys.argv[1], heartbeat=1, grace=2)
study = optuna.load_study(storage=storage.optuna, study_name="s")
def hold(trial):
    trial.suggest_float("x", 0, 1)
    storage.begin(trial, "machine:worker")
    print("started", flush=True)
    time.sleep(60)
study.optimize(hold, n_trials=1)
"""

SWEEP = """
import sys
sys.path[:0] = sys.argv[1:]
import pytest, small_study
from studies.study import Plan
plan = Plan.model_validate_json(sys.stdin.read())
fake = small_study.Fake(pytest.MonkeyPatch(), lambda config: 1e4 * config.recipe.lr_g)
small_study.swept(plan)
print(len(fake.configs))
"""


def lr(config: RunConfig) -> float:
    return 1e4 * float(config.recipe.lr_g)


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with postgres.server() as uri:
        yield uri


@pytest.fixture(autouse=True)
def empty(database: str) -> None:
    storage = open_storage(database).optuna
    for summary in optuna.get_all_study_summaries(storage):
        optuna.delete_study(storage=storage, study_name=summary.study_name)


def test_a_study_on_a_database_equals_one_on_a_journal(database: str, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Fake(monkeypatch, lr)
    found = []
    for storage in (database, str(tmp_path / "studies.journal")):
        plan = planned(uri, tmp_path, replace(ONE, trials=6), storage=storage)
        swept(plan)
        trials = open_study(plan, plan.arms[0], open_storage(storage)).get_trials()
        found.append([(trial.params, trial.value, trial.state) for trial in trials])
    assert found[0] == found[1]
    with pytest.raises(UserError, match="already exists with another space"):
        swept(planned(uri, tmp_path, replace(ONE, space="lr-k-tied"), storage=database))


def test_two_processes_share_the_work(database: str, uri: str, tmp_path: Path) -> None:
    plan = planned(uri, tmp_path, replace(ONE, trials=30), storage=database)
    here = Path(__file__).parents[1] / "support"
    command = [sys.executable, "-c", SWEEP, str(here)]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(plan.model_dump_json())
        process.stdin.close()
    done = [int(process.stdout.read()) for process in processes if process.stdout]
    assert [process.wait() for process in processes] == [0, 0]
    assert sum(done) == 30
    assert min(done) > 0
    states = [trial.state for trial in open_study(plan, plan.arms[0], open_storage(database)).get_trials()]
    assert states == [TrialState.COMPLETE] * 30


def test_the_heartbeat_detects_a_killed_worker(database: str) -> None:
    storage = open_database(database, heartbeat=1, grace=2)
    study = optuna.create_study(storage=storage.optuna, study_name="s")
    with subprocess.Popen([sys.executable, "-c", HOLDER, database], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        time.sleep(4)
        storage.requeue_dead(study)
        assert [trial.state for trial in study.get_trials()] == [TrialState.RUNNING]
        process.kill()
    deadline = time.monotonic() + 30
    while len(study.get_trials()) < 2 and time.monotonic() < deadline:
        time.sleep(0.5)
        storage.requeue_dead(study)
    storage.requeue_dead(study)
    dead, repeated = study.get_trials()
    assert (dead.state, repeated.state) == (TrialState.FAIL, TrialState.WAITING)
    assert repeated.user_attrs[AGAIN] == 0
    assert repeated.system_attrs["fixed_params"] == dead.params


def test_locks_of_the_database(database: str) -> None:
    one, two = open_storage(database), open_storage(database)
    with one.try_lock("final") as first, two.try_lock("final") as second, two.try_lock("another") as third:
        assert (first, second, third) == (True, False, True)
    with two.try_lock("final") as is_locked:
        assert is_locked
    with one.lock("s"), two.lock("t"):
        pass
