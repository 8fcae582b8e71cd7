"""One process at a time has a run: whoever comes second leaves it or waits, and a dead one's claim is taken over."""

from __future__ import annotations

import itertools
import json
import os
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import small

from bench import claim, store
from bench.claim import Taken, claimed
from bench.results import load
from bench.run import run


def at_once() -> bool:
    return True


def never() -> bool:
    return False


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(claim, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(claim, "STALE_SECONDS", 2.0)


def somebodys(folder: Path, **more: Any) -> Path:
    """A claim that nobody counts up."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / claim.FILE
    file.write_text(json.dumps({"host": "elsewhere", "pid": 1, "token": "t", "beat": 3, **more}))
    return file


def test_who_takes_over_knows_from_whom(tmp_path: Path) -> None:
    folder = tmp_path / "fingerprint"
    with claimed(folder, give_up=at_once) as gone:
        assert gone == ()
    somebodys(folder, gone=["first:7"])
    assert claim.holder(folder) == "elsewhere:1"
    with claimed(folder, give_up=at_once) as gone:
        assert gone == ("first:7", "elsewhere:1")
    assert claim.holder(folder) == ""


def test_the_second_is_told_who_has_it_and_then_it_is_free(tmp_path: Path) -> None:
    folder = tmp_path / "fingerprint"
    with claimed(folder, give_up=at_once):
        with (
            pytest.raises(Taken, match=f"being trained by process {os.getpid()} on {socket.gethostname()}"),
            claimed(folder, give_up=at_once),
        ):
            pass
        assert (folder / claim.FILE).exists()
    assert not folder.exists()
    with claimed(folder, give_up=at_once):
        pass


@pytest.mark.slow
def test_whoever_waits_has_it_next(tmp_path: Path) -> None:
    folder, order = tmp_path / "fingerprint", []

    def second() -> None:
        with claimed(folder, give_up=never):
            order.append("second")

    with claimed(folder, give_up=at_once):
        waiting = threading.Thread(target=second)
        waiting.start()
        time.sleep(3.0)  # longer than an unmoving claim would last
        order.append("first")
    waiting.join(timeout=30)
    assert order == ["first", "second"]


def test_a_claim_that_does_not_move_is_taken_over_whatever_the_clocks_say(tmp_path: Path) -> None:
    file = somebodys(tmp_path / "fingerprint")
    os.utime(file, (2e9, 2e9))  # another machine's clock is ahead
    started = time.monotonic()
    with claimed(file.parent, give_up=at_once):
        assert time.monotonic() - started >= claim.STALE_SECONDS
        assert json.loads(file.read_bytes())["pid"] == os.getpid()


def test_that_of_a_dead_process_here_at_once(tmp_path: Path) -> None:
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True, text=True)
    file = somebodys(tmp_path / "fingerprint", host=socket.gethostname(), pid=int(dead.stdout))
    started = time.monotonic()
    with claimed(file.parent, give_up=at_once):
        assert time.monotonic() - started < claim.STALE_SECONDS


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"host": 1}', b"\xff\xfe"])
def test_one_that_nobody_wrote_is_none(tmp_path: Path, content: bytes) -> None:
    somebodys(tmp_path / "fingerprint").write_bytes(content)
    with claimed(tmp_path / "fingerprint", give_up=at_once):
        pass


def test_a_claim_that_was_taken_over_is_not_given_back_by_its_former_holder(tmp_path: Path) -> None:
    folder = tmp_path / "fingerprint"
    with claimed(folder, give_up=at_once):
        (folder / claim.FILE).write_text(json.dumps({"host": "elsewhere", "pid": 1, "token": "t", "beat": 0}))
        time.sleep(0.2)
        assert json.loads((folder / claim.FILE).read_bytes())["token"] == "t"  # nor counted up
    assert (folder / claim.FILE).exists()


RACE = """
import sys, time
from pathlib import Path
from bench import claim, store
claim.BEAT_SECONDS, claim.POLL_SECONDS, claim.STALE_SECONDS = 0.05, 0.1, 3.0
folder, start = Path(sys.argv[1]), Path(sys.argv[2])
print("ready", flush=True)
while not start.exists():
    time.sleep(0.001)
try:
    with claim.claimed(folder, give_up=lambda: True):
        time.sleep(6)
        print("won")
except claim.Taken:
    print("taken")
"""


@pytest.mark.slow  # four processes
@pytest.mark.parametrize("stale", [False, True])
def test_of_several_at_the_same_moment_one_has_it(tmp_path: Path, stale: bool) -> None:
    if stale:
        somebodys(tmp_path / "fingerprint")
    command = [sys.executable, "-c", RACE, str(tmp_path / "fingerprint"), str(tmp_path / "start")]
    racing = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for one in racing:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    (tmp_path / "start").touch()
    assert sorted(one.communicate(timeout=60)[0] for one in racing) == ["taken\n"] * 3 + ["won\n"]


def test_a_run_that_another_has_or_had_is_left_to_it(uri: str, tmp_path: Path) -> None:
    place = replace(small.place(uri, tmp_path / "runs"), once=True)
    first = run(small.config(), place)
    assert first.status == "finished"
    second = run(small.config(), place)
    assert (second.status, second.run_id) == ("there", first.run_id)
    with claimed(next((tmp_path / "runs").glob("*/")), give_up=at_once):
        third = run(small.config(), place)
    assert third.status == "busy"
    assert "being trained by process" in third.reason
    assert len(load(uri, ("small",)).runs.query("kind == 'run'")) == 1


@pytest.mark.parametrize(("whose", "status"), [("parent", "busy"), ("nobody", "finished"), ("own", "finished")])
def test_a_run_that_another_process_trains_from_another_folder(uri: str, tmp_path: Path, whose: str, status: str) -> None:
    """The folders of the two share no claim; the store tells who is at it, and whether that process is alive."""
    from bench.store import connect

    pid = {"parent": os.getppid(), "nobody": 999_999_999, "own": os.getpid()}[whose]
    there = run(small.config(), small.place(uri, tmp_path / "one"))
    client = connect(uri)
    for key, value in {"status": "running", "owner": f"{socket.gethostname()}:{pid}"}.items():
        client.set_tag(there.run_id, key, value)
    result = run(small.config(), replace(small.place(uri, tmp_path / "other"), once=True))
    assert result.status == status
    assert (result.reason == f"being trained by {socket.gethostname()}:{pid}") == (status == "busy")
    assert not list((tmp_path / "other").rglob("state*")) or status == "finished"


def test_a_run_that_was_finished_from_another_folder_is_there(uri: str, tmp_path: Path) -> None:
    first = run(small.config(), small.place(uri, tmp_path / "one"))
    second = run(small.config(), replace(small.place(uri, tmp_path / "other"), once=True))
    assert (second.status, second.run_id) == ("there", first.run_id)


@pytest.mark.slow
def test_a_suite_counts_what_another_was_quicker_with(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that looked at the same moment: both mean to train, one does."""
    from bench.campaign import Display, foresee, run_suite
    from bench.suite import plan

    def look() -> Any:
        return foresee(small.SUITE, plan(small.SUITE), uri=uri, folder=tmp_path, workers=1, probe=False)

    def execute(outlook: Any) -> Any:
        return run_suite(small.SUITE, outlook, uri=uri, folder=tmp_path, stop=never, display=Display())

    one, two = look(), look()
    assert len(one.todo) == len(two.todo) == 4
    assert (execute(one).count("finished"), execute(two).skipped) == (4, 4)
    assert len(load(uri, ("small",)).runs.query("kind == 'run'")) == 4


def lost(uri: str, folder: Path, owner: str) -> str:
    """A run that was stopped, and whose tags say that a process of another machine is at it; returns its id."""
    calls = itertools.count()
    small.execute(uri, folder, seeds=1, only="dcgan", stop=lambda: next(calls) >= 8)
    (run_id,) = load(uri, ("small",)).runs.query("kind == 'run'")["run_id"]
    store.connect(uri).set_tag(run_id, "status", "running")
    store.connect(uri).set_tag(run_id, "owner", owner)
    return str(run_id)


@pytest.mark.parametrize("beating", [False, True])
def test_a_run_of_a_lost_machine_goes_on_if_its_claim_does_not_move(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beating: bool
) -> None:
    run_id = lost(uri, tmp_path, "elsewhere:7")
    file = somebodys(next((tmp_path / "small").glob("*/")), pid=7)
    moves = itertools.count(4)
    done = threading.Event()

    def move() -> None:
        while not done.wait(0.02):
            claim._write(file, claim._Claim(host="elsewhere", pid=7, token="t", beat=next(moves)))

    if beating:
        moving = threading.Thread(target=move)
        moving.start()
    else:
        monkeypatch.setattr(claim, "STALE_SECONDS", 0.1)
    outcome = small.execute(uri, tmp_path, seeds=1, only="dcgan")
    done.set()
    assert outcome.decisions[0].why == "unless elsewhere:7 still trains it"
    assert (outcome.busy, outcome.count("finished")) == ((1, 0) if beating else (0, 1))
    row = load(uri, ("small",)).runs.query("kind == 'run'").set_index("run_id")
    assert row["status"].to_dict() == {run_id: "running" if beating else "finished"}
    if beating:
        moving.join()


def test_a_run_of_another_machine_without_a_claim_here_is_left_to_it(uri: str, tmp_path: Path) -> None:
    lost(uri, tmp_path, "elsewhere:7")
    outcome = small.execute(uri, tmp_path, seeds=1, only="dcgan")
    assert (outcome.busy, outcome.results) == (1, ())
