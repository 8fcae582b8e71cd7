"""Tests of atomic writes of files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench.core.atomic_files import version_of, write_atomic


@pytest.mark.parametrize("settled", [True, False])
def test_the_new_file_stands_in_the_place_of_the_old(tmp_path: Path, settled: bool) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    write_atomic(path, b"new", settled=settled)
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_the_umask_says_who_may_read_it(tmp_path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        write_atomic(tmp_path / "file", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == mode


def test_a_failure_leaves_the_old_file_and_no_debris(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def refused(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refused)
    with pytest.raises(OSError, match="No space left"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_each_write_has_a_version(tmp_path: Path) -> None:
    path = tmp_path / "page"
    found = [version_of(path)]
    for _ in range(3):
        write_atomic(path, b"same", settled=False)
        found.append(version_of(path))
    assert found[0] == ""
    assert len(set(found)) == 4
    assert version_of(path) == found[-1]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomic(tmp_path / "nowhere" / "file", b"x")
