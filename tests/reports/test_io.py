"""A path that cannot be written raises a one-line error before the report is built, and nothing is written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench.core.errors import UserError
from reports import io


def test_what_can_be_written_passes_and_nothing_is_made(tmp_path: Path) -> None:
    io.check_folder(tmp_path / "a" / "b", "--csv")
    io.check_file(tmp_path / "a" / "table.tex", "--latex")
    assert not list(tmp_path.iterdir())


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UserError, match=r"^--csv: .*file") as error:
            io.check_folder(path, "--csv")
        assert "\n" not in str(error.value)
    io.check_file(tmp_path / "file", "--latex")  # an existing file will be replaced


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^--latex: .*folder"):
        io.check_file(tmp_path, "--latex")


def test_a_name_that_no_file_system_takes() -> None:
    with pytest.raises(UserError, match=r"^--out: .*'aaa.*: File name too long"):
        io.check_folder(Path("a" * 300), "--out")


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs /proc, a folder in which no user can create a file")
def test_permissions_are_not_trusted() -> None:
    with pytest.raises(UserError, match=r"^--out: .*'/proc/none/a': No such file or directory"):
        io.check_folder(Path("/proc/none/a"), "--out")


@pytest.mark.parametrize("mask", [0o002, 0o077])
def test_who_may_read_a_report_is_for_the_umask_to_say(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        io.write_all({tmp_path / "deep" / "t.tex": b"x"}, "the table")
    finally:
        os.umask(before)
    assert (tmp_path / "deep" / "t.tex").stat().st_mode & 0o777 == 0o666 & ~mask
    assert (tmp_path / "deep" / "t.tex").read_bytes() == b"x"


def test_a_failed_write_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(UserError, match="the table: No space left on device"):
        io.write_all({tmp_path / "t.tex": b"x"}, "the table")
    assert not list(tmp_path.iterdir())
