"""Tests of the cache folder: its location, failed writes, and access by several processes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import platformdirs
import pytest

from bench.core.errors import UserError
from bench.data import cache


def test_the_root_is_the_users_cache_unless_the_environment_says_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path / "here"))
    assert cache.cache_root() == tmp_path / "here"
    monkeypatch.setenv("GANBENCH_CACHE", "")
    assert cache.cache_root() == platformdirs.user_cache_path("ganbench")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GANBENCH_CACHE", "relative")
    assert cache.cache_root() == tmp_path / "relative", (
        "GANBENCH_CACHE is not made absolute: a worker in another folder would use another cache"
    )


def test_a_write_replaces_the_whole_file_and_can_be_read_by_others(tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(b"a longer content than the new one")
    umask = os.umask(0o022)
    try:
        cache.write_atomic(path, b"new")
    finally:
        os.umask(umask)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_old_file_and_no_debris(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(UserError, match=r"No space left on device.*GANBENCH_CACHE"):
        cache.write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_one_clear_line(tmp_path: Path):
    with pytest.raises(UserError, match="cannot write to the data cache"):
        cache.write_atomic(tmp_path / "nowhere" / "file", b"new")


def test_a_lock_held_too_long_is_given_up_in_one_line(tmp_path: Path):
    locked, done = threading.Event(), threading.Event()

    def hold() -> None:
        with cache.locked(tmp_path):
            locked.set()
            done.wait(timeout=10)

    holder = threading.Thread(target=hold)
    holder.start()
    locked.wait(timeout=10)
    try:
        with pytest.raises(UserError, match=r"another process has held .*\.lock for 0.1 s"), cache.locked(tmp_path, timeout_seconds=0.1):
            pass
    finally:
        done.set()
        holder.join()


FETCH_IN_A_PROCESS = """
import sys, pathlib, time
from bench.data import cache
root = pathlib.Path(sys.argv[1])
with cache.locked(root):
    inside = root / "inside"
    inside.touch(exist_ok=False)  # raises if another process holds the lock at the same time
    time.sleep(0.05)
    cache.write_atomic(root / "file", b"x" * 100_000)
    inside.unlink()
"""


def test_processes_that_fetch_at_once_take_turns(tmp_path: Path):
    command = [sys.executable, "-c", FETCH_IN_A_PROCESS, str(tmp_path / "cache")]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    assert [(process.communicate(timeout=60)[1], process.returncode) for process in running] == [("", 0)] * 3
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == [".lock", "file"]
