"""The files of a report, each written atomically."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from bench.core.errors import UserError
from reports.document import Document, Figure, Picture, Section
from reports.render import write

FIGURE = Figure(id="f", caption="c", picture=Picture(data=b"png", media="image/png", alt="words"))
DOCUMENT = Document(title="t", subtitle="s", sections=(Section(id="x", title="X", blocks=(FIGURE,)),))


def files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def test_the_folder_holds_both_reports_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "a" / "b"
    assert write(DOCUMENT, out) == out / "index.html"
    assert set(files(out)) == {"index.html", "report.md", "report_files/f.png", "report_files/written.txt"}
    assert files(out)["report_files/f.png"] == b"png"


def test_the_same_document_gives_the_same_bytes(tmp_path: Path) -> None:
    write(DOCUMENT, tmp_path / "a")
    write(DOCUMENT, tmp_path / "b")
    write(DOCUMENT, tmp_path / "b")
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_pictures_of_the_former_report_go_and_files_of_others_stay(tmp_path: Path) -> None:
    write(DOCUMENT, tmp_path)
    (tmp_path / "report_files" / "mine.png").write_bytes(b"mine")
    (tmp_path / "notes.txt").write_text("mine")
    other = replace(FIGURE, id="g")
    write(replace(DOCUMENT, sections=(Section(id="x", title="X", blocks=(other,)),)), tmp_path)
    names = {"index.html", "report.md", "notes.txt", "report_files/g.png", "report_files/mine.png", "report_files/written.txt"}
    assert set(files(tmp_path)) == names
    assert files(tmp_path)["report_files/written.txt"] == b"g.png\n"


def test_a_report_without_pictures_leaves_none_of_the_former(tmp_path: Path) -> None:
    write(DOCUMENT, tmp_path)
    write(replace(DOCUMENT, sections=()), tmp_path)
    assert set(files(tmp_path)) == {"index.html", "report.md", "report_files/written.txt"}


@pytest.mark.parametrize("name", ["../notes.txt", "../keep.png", "/etc/keep.png", "keep.txt", "", "."])
def test_a_listing_that_was_tampered_with_removes_nothing_else(tmp_path: Path, name: str) -> None:
    write(DOCUMENT, tmp_path)
    for other in ("notes.txt", "keep.png", "report_files/keep.txt"):
        (tmp_path / other).write_text("mine")
    (tmp_path / "report_files" / "written.txt").write_text(f"f.png\n{name}\n")
    write(replace(DOCUMENT, sections=()), tmp_path)
    assert {"notes.txt", "keep.png", "report_files/keep.txt"} <= set(files(tmp_path))
    assert "report_files/f.png" not in files(tmp_path)


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(UserError, match=r"file/out") as error:
        write(DOCUMENT, blocked / "out")
    assert "\n" not in str(error.value)


def test_a_failed_write_leaves_the_old_report_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(DOCUMENT, tmp_path)
    before = files(tmp_path)

    def full(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(UserError, match="No space left on device"):
        write(Document(title="new", subtitle="s", sections=()), tmp_path)
    assert files(tmp_path) == before
