"""The run lock. A second process waits or skips the run, or takes over a stale lock."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import small

from bench.core.config import RunConfig
from bench.core.lock_check import LockLost
from bench.runs import lock as lock_module
from bench.runs.lock import RunLocked, run_lock, run_lock_files
from bench.runs.runner import run
from bench.runs.types import RunProgress
from bench.tracking import store
from bench.tracking.client import is_trained_elsewhere
from bench.tracking.results import load

run_module = sys.modules["bench.runs.runner"]


def at_once() -> bool:
    return True


def never() -> bool:
    return False


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_module, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(lock_module, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(lock_module, "LEASE_SECONDS", 2.0)
    monkeypatch.setattr(lock_module, "WAIT_SECONDS", 4.0)
    monkeypatch.setattr("filelock._soft.MALFORMED_LOCK_AGE_THRESHOLD", 0.1)


def marker(file: Path, *, host: str = "elsewhere", pid: int = 7, start: int = 0, lease: float | None = None) -> Path:
    """Write a marker without a heartbeat."""
    file.parent.mkdir(parents=True, exist_ok=True)
    duration = lock_module.LEASE_SECONDS if lease is None else lease
    lines = [
        "filelock/2",
        f"pid={pid}",
        f"host={host}",
        "mode=lease",
        "token=t",
        f"duration={duration!r}",
        *([f"start={start}"] if start else []),
    ]
    file.write_text("".join(f"{line}\n" for line in lines))
    return file


@contextmanager
def held_elsewhere(file: Path) -> Iterator[subprocess.Popen[str]]:
    """Context manager during which another process holds the lock."""
    code = f"""
import sys
from pathlib import Path
from bench.runs import lock as lock_module
lock_module.HEARTBEAT_SECONDS, lock_module.LEASE_SECONDS = {lock_module.HEARTBEAT_SECONDS}, {lock_module.LEASE_SECONDS}
with lock_module.run_lock([Path({str(file)!r})], give_up=lambda: True):
    print("held", flush=True)
    sys.stdin.read()
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_second_process_learns_the_holder_and_gets_the_lock_after_it(tmp_path: Path) -> None:
    file = tmp_path / "fingerprint" / lock_module.FILE
    with run_lock([file], give_up=at_once) as lock:
        with pytest.raises(RunLocked) as locked, run_lock([file], give_up=at_once):
            pass
        lock.check()
        assert file.exists()
    assert all(part in str(locked.value) for part in (str(os.getpid()), socket.gethostname()))
    assert not file.parent.exists()
    with run_lock([file], give_up=at_once):
        pass


def test_a_waiting_process_gets_the_lock_next(tmp_path: Path) -> None:
    file, order = tmp_path / "fingerprint" / lock_module.FILE, []

    def second() -> None:
        with run_lock([file], give_up=never):
            order.append("second")

    with run_lock([file], give_up=at_once):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.3)
        order.append("first")
    thread.join(timeout=30)
    assert order == ["first", "second"]


def test_a_stale_lock_is_taken_over_whatever_the_clocks_are(tmp_path: Path) -> None:
    file = marker(tmp_path / "fingerprint" / lock_module.FILE)
    os.utime(file, (2e9, 2e9))  # the clock of another machine is ahead
    started = time.monotonic()
    with run_lock([file], give_up=at_once):
        assert time.monotonic() - started >= lock_module.LEASE_SECONDS
        assert f"pid={os.getpid()}" in file.read_text()


def test_without_waiting_an_unchanged_marker_belongs_to_its_holder(tmp_path: Path) -> None:
    file = marker(tmp_path / "fingerprint" / lock_module.FILE)
    with pytest.raises(RunLocked, match="process 7 on elsewhere"), run_lock([file], give_up=at_once, wait_seconds=0):
        pass


def test_the_lock_of_a_killed_process_is_taken_over_at_once(tmp_path: Path) -> None:
    file = tmp_path / "fingerprint" / lock_module.FILE
    with held_elsewhere(file) as process:
        process.kill()
        process.wait()
        with run_lock([file], give_up=at_once, wait_seconds=0.5):
            pass


def test_the_lock_of_a_process_whose_id_is_reused_is_taken_over_at_once(tmp_path: Path) -> None:
    """A process takes over a lock with its own host name and process id, as after the restart of a container."""
    file = tmp_path / "fingerprint" / lock_module.FILE
    with run_lock([file], give_up=at_once):
        lines = dict(line.split("=", 1) for line in file.read_text().splitlines()[1:])
    marker(file, host=lines["host"], pid=os.getpid(), start=int(lines["start"]) - 1)
    with run_lock([file], give_up=at_once, wait_seconds=0.5):
        pass


@pytest.mark.parametrize("content", ["{", '{"host": "vm", "pid": 1, "token": "t", "beat": 3}', "\udcff\udcfe"])
def test_an_invalid_marker_blocks_no_process(tmp_path: Path, content: str) -> None:
    file = marker(tmp_path / "fingerprint" / lock_module.FILE)
    file.write_bytes(content.encode("utf-8", "surrogateescape"))
    with run_lock([file], give_up=at_once):
        pass


def test_a_marker_of_another_version_belongs_to_its_holder(tmp_path: Path) -> None:
    file = marker(tmp_path / "fingerprint" / lock_module.FILE, lease=77.0)
    with pytest.raises(RunLocked), run_lock([file], give_up=at_once):
        pass


def test_one_failed_read_of_the_marker_ends_no_heartbeat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a temporary error of a network disk, the heartbeat continues and the lock is not lost."""
    file, lstat = tmp_path / "fingerprint" / lock_module.FILE, os.lstat
    failing = threading.Event()

    def flaky(path: object, *more: object, **named: object) -> os.stat_result:
        if failing.is_set() and str(path) == str(file):
            raise OSError(errno.ESTALE, "stale file handle")
        return lstat(path, *more, **named)  # type: ignore[arg-type]

    with run_lock([file], give_up=at_once) as lock:
        monkeypatch.setattr(os, "lstat", flaky)
        failing.set()
        time.sleep(0.3)
        failing.clear()
        before = lstat(file).st_mtime_ns
        deadline = time.monotonic() + 60
        while lstat(file).st_mtime_ns == before:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        lock.check()
        assert not lock.lost


def test_a_replaced_holder_detects_it_and_does_not_touch_the_marker(tmp_path: Path) -> None:
    file = tmp_path / "fingerprint" / lock_module.FILE
    with run_lock([file], give_up=at_once) as lock:
        file.unlink()
        marker(file)
        with pytest.raises(LockLost, match="process 7 on elsewhere"):
            lock.check()
        assert lock.lost
    assert "pid=7" in file.read_text()


def test_the_heartbeat_detects_a_lost_lock_too(tmp_path: Path) -> None:
    file = tmp_path / "fingerprint" / lock_module.FILE
    with run_lock([file], give_up=at_once) as lock:
        file.unlink()
        deadline = time.monotonic() + 60
        while not lock.lost:
            assert time.monotonic() < deadline
            time.sleep(0.02)


RACE = """
import sys, time
from pathlib import Path
from bench.runs import lock as lock_module
lock_module.HEARTBEAT_SECONDS, lock_module.POLL_SECONDS, lock_module.LEASE_SECONDS = 0.05, 0.1, 3.0
file, start = Path(sys.argv[1]), Path(sys.argv[2])
print("ready", flush=True)
while not start.exists():
    time.sleep(0.001)
try:
    with lock_module.run_lock([file], give_up=lambda: True):
        time.sleep(6)
        print("won")
except lock_module.RunLocked:
    print("left")
"""


@pytest.mark.slow  # four processes
@pytest.mark.parametrize("stale", [False, True])
def test_of_several_processes_at_once_one_gets_the_lock(tmp_path: Path, stale: bool) -> None:
    file = tmp_path / "fingerprint" / lock_module.FILE
    if stale:
        marker(file, lease=3.0)
    command = [sys.executable, "-c", RACE, str(file), str(tmp_path / "start")]
    racing = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for one in racing:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    (tmp_path / "start").touch()
    assert sorted(one.communicate(timeout=60)[0] for one in racing) == ["left\n"] * 3 + ["won\n"]


def files_of(uri: str, folder: Path) -> list[Path]:
    """Return the markers of the small run that was trained in a folder."""
    (run_folder,) = (path for path in folder.glob("*/") if (path / "state.safetensors").exists())
    return run_lock_files(run_folder, uri, "small")


def test_a_run_of_another_process_is_not_trained(uri: str, tmp_path: Path) -> None:
    context = replace(small.context(uri, tmp_path / "runs"), once=True)
    first = run(small.config(), context)
    assert first.status == "finished"
    second = run(small.config(), context)
    assert (second.status, second.run_id) == ("recorded", first.run_id)
    for file in files_of(uri, tmp_path / "runs"):  # the marker of the store suffices for a process with another folder
        with run_lock([file], give_up=at_once):
            third = run(small.config(), context)
        assert third.status == "busy"
        assert str(os.getpid()) in third.reason
    assert not list(tmp_path.rglob(lock_module.FILE))
    assert len(load(uri, ("small",)).runs.query("kind == 'run'")) == 1


def test_processes_with_other_folders_share_the_lock_beside_a_sqlite_store(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    one, two = (run_lock_files(tmp_path / name / "0123456789abcdef", uri, "small") for name in ("one", "two"))
    assert one[0] == two[0]
    assert one[1] != two[1]
    assert one[0].parent == tmp_path / "mlflow.db.locks"
    assert run_lock_files(tmp_path / "one" / "0123456789abcdef", uri, "other/suite")[0].parent == one[0].parent
    assert run_lock_files(tmp_path / "one" / "0123456789abcdef", uri, "other/suite")[0] != one[0]
    server = run_lock_files(tmp_path / "one" / "0123456789abcdef", "https://user:secret@host", "small")
    assert "secret" not in str(server[0])


def test_a_run_finished_from_another_folder_is_recorded(uri: str, tmp_path: Path) -> None:
    first = run(small.config(), small.context(uri, tmp_path / "one"))
    second = run(small.config(), replace(small.context(uri, tmp_path / "other"), once=True))
    assert (second.status, second.run_id) == ("recorded", first.run_id)


@pytest.mark.parametrize(
    ("uri", "owner", "ours", "elsewhere"),
    [
        ("http://host", "another:7", (), True),
        ("http://host", "another:7", ("r",), False),  # the owner used this folder, whose lock the caller holds
        ("http://host", f"{socket.gethostname()}:7", (), False),
        ("http://host", "", (), False),
        ("sqlite:////tmp/mlflow.db", "another:7", (), False),  # the lock is beside the store
    ],
)
def test_only_a_process_without_a_shared_lock_counts_as_alive(uri: str, owner: str, ours: tuple[str, ...], elsewhere: bool) -> None:
    found = SimpleNamespace(info=SimpleNamespace(run_id="r"), data=SimpleNamespace(tags={"status": "running", "owner": owner}))
    assert is_trained_elsewhere(found, uri, ours) == elsewhere  # type: ignore[arg-type]
    found.data.tags["status"] = "interrupted"
    assert not is_trained_elsewhere(found, uri, ours)  # type: ignore[arg-type]


def test_a_run_that_loses_its_lock_writes_nothing_more(uri: str, tmp_path: Path) -> None:
    context = replace(small.context(uri, tmp_path / "runs"), checkpoint_seconds=0.0)
    before: dict[str, object] = {}

    def lose(progress: RunProgress) -> None:
        if progress.images >= 300 and not before:
            (folder,) = (path.parent for path in (tmp_path / "runs").rglob(lock_module.FILE))
            for file in run_lock_files(folder, uri, "small"):
                file.unlink()
                marker(file)
            before.update(written(folder))

    def written(folder: Path) -> dict[str, object]:
        client = store.connect(uri)
        (found,) = client.search_runs([client.get_experiment_by_name("small").experiment_id])  # type: ignore[union-attr]
        files = {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        return {**files, "tags": found.data.tags, "metrics": found.data.metrics}

    result = run(small.config(), context, watch=lose)
    assert result.status == "interrupted"
    assert "process 7 on elsewhere" in result.reason
    (folder,) = (path.parent for path in (tmp_path / "runs").rglob(lock_module.FILE))
    assert written(folder) == before
    assert before["tags"]["status"] == "running"  # type: ignore[index]


def test_a_process_that_lost_the_lock_before_the_start_does_not_change_the_store(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This process does not change a run that another process finishes while this one builds its networks."""
    calls = iter(range(10**6))
    stopped = run(small.config(), small.context(uri, tmp_path), stop=lambda: next(calls) >= 4)
    prepare = run_module.prepare

    def slow(config: RunConfig) -> object:
        (folder,) = (path.parent for path in tmp_path.rglob(lock_module.FILE))
        for file in run_lock_files(folder, uri, "small"):
            file.unlink()
            marker(file)
        store.connect(uri).set_tag(stopped.run_id, "status", "finished")
        return prepare(config)

    monkeypatch.setattr(run_module, "prepare", slow)
    assert run(small.config(), small.context(uri, tmp_path)).status == "interrupted"
    assert store.connect(uri).get_run(stopped.run_id).data.tags["status"] == "finished"


def test_stop_ends_the_watch_of_an_unchanged_marker(tmp_path: Path) -> None:
    file = marker(tmp_path / "fingerprint" / lock_module.FILE)
    with pytest.raises(RunLocked), run_lock([file], give_up=never, stop=at_once):
        pass


def test_a_read_only_cache_only_leaves_out_the_second_marker_of_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("GANBENCH_CACHE", "/proc/nowhere")
    assert run_lock_files(tmp_path / "f", "http://host", "small") == [tmp_path / "f" / lock_module.FILE]
    assert "/proc/nowhere" in caplog.text


@pytest.mark.slow
def test_a_suite_waits_for_the_run_of_another_process(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The suite trains the other runs first. Then the other process is dead, so the suite trains its run, too."""
    monkeypatch.setattr("bench.scheduling.executor.POLL_SECONDS", 0.05)
    fingerprint = small.execute(uri, tmp_path / "first", seeds=1, only="dcgan").actions[0].fingerprint
    store.connect(uri).delete_run(load(uri, ("small",)).runs.query("kind == 'run'")["run_id"].item())
    ended: list[str] = []

    class Notes(small.Display):
        def end(self, job: object, result: object) -> None:
            if result.seed == 1:  # type: ignore[attr-defined]
                process.kill()
            ended.append(f"{result.seed} {result.status}")  # type: ignore[attr-defined]

    file = run_lock_files(tmp_path / "runs" / "small" / fingerprint, uri, "small")[0]
    with held_elsewhere(file) as process:
        outcome = small.execute(uri, tmp_path / "runs", seeds=2, only="dcgan", display=Notes())
    assert ended == ["1 finished", "0 finished"]
    assert not outcome.busy


@pytest.mark.slow
def test_run_names_the_process_of_a_busy_run_and_has_an_exit_status_for_it(
    ganbench: Callable[..., tuple[int, str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("run", "label-smoothed", "--dataset", "digits", "--set", "budget.images=640", "--set", "evaluation.samples=100")
    assert ganbench(*words)[0] == 0
    (folder,) = (path.parent for path in tmp_path.rglob("state.safetensors"))
    uri = f"sqlite:///{Path.cwd()}/mlflow.db"
    store.connect(uri).set_tag(load(uri, ("runs",)).runs.query("kind == 'run'")["run_id"].item(), "status", "running")
    with held_elsewhere(run_lock_files(folder, uri, "runs")[0]) as process:
        status, out, _ = ganbench(*words)
    assert status == 3
    assert f"process {process.pid} on {socket.gethostname()}" in " ".join(out.split())
    assert ganbench(*words)[0] == 0
