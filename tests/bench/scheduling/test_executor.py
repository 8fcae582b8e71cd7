"""Executors of jobs, in this process and in parallel workers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import small

from bench.core.config import DATASETS
from bench.runs.types import RunProgress
from bench.scheduling import executor
from bench.scheduling.jobs import Job
from bench.scheduling.suite_jobs import RunJob
from bench.tracking.client import Tracker
from bench.tracking.results import load
from bench.training.loop import never


def test_one_worker_needs_no_ray(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor, "start", lambda _: pytest.fail("Ray was started"))
    jobs = [RunJob.of(small.config(), small.context(uri, tmp_path), "abc")]
    ((_, result),) = executor.execute(jobs, workers=1, stop=never, update=lambda *_: None)
    assert result.status == "finished"
    assert list(executor.execute(jobs, workers=1, stop=lambda: True, update=lambda *_: None)) == []


@pytest.mark.slow  # starts Ray
def test_a_killed_worker_stops_no_other_and_its_run_resumes(uri: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    import os
    import signal

    killed: list[int] = []

    def kill_first(one: Job, progress: RunProgress) -> None:
        owner = next(run.data.tags["owner"] for run in Tracker(uri, "small").find(one.key))
        if not killed:
            killed.append(int(owner.rpartition(":")[2]))
            os.kill(killed[0], signal.SIGKILL)

    long = small.config(**{"budget.images": 64_000})
    jobs = [
        RunJob.of(config, small.context(uri, tmp_path), config.fingerprint(data_digest=DATASETS.get("digits").digest()))
        for config in (long, small.config(**{"budget.images": 64_000, "seed": 1}))
    ]
    results = [result for _, result in executor.execute(jobs, workers=2, stop=never, update=kill_first)]
    assert [result.status for result in results] == ["finished", "finished"]
    assert list(load(uri, ("small",)).runs["status"]) == ["finished", "finished"]  # the store has no other runs
    assert "killed (out of memory?): " in caplog.text
    assert "it resumes from its last checkpoint" in caplog.text


LISTENING = """
import json, os, sys
import json
import subprocess
import sys
from pathlib import Path
from bench.scheduling.cluster import start
ray = start(1)
ports = {}
for table in ("/proc/net/tcp", "/proc/net/tcp6"):
    for line in Path(table).read_text().splitlines()[1:]:
        words = line.split()
        if words[3] == "0A":
            ports[words[9]] = words[1]
found = set()
for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
    try:
        owner, target = descriptor.parts[2], os.readlink(descriptor)
        session = Path(f"/proc/{owner}/stat").read_text().rpartition(")")[2].split()[3]
    except OSError:
        continue
    if session == str(os.getsid(0)) and target.startswith("socket:["):
        found.add(ports.get(target[8:-1], ""))
print(json.dumps(sorted(found - {""})))
ray.shutdown()
"""


@pytest.mark.slow  # starts Ray
@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="the system does not list its ports in /proc")
def test_ray_on_this_machine_is_reached_from_this_machine_only() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LISTENING], capture_output=True, text=True, check=True, start_new_session=True, timeout=120
    )
    addresses = {port.partition(":")[0] for port in json.loads(done.stdout.splitlines()[-1])}
    assert addresses
    assert addresses <= {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}  # 127.0.0.1 and ::1
