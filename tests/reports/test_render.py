"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench.errors import UserError
from reports.document import Document, Figure, Picture, Section
from reports.render import write

FIGURE = Figure(id="f", caption="c", picture=Picture(data=b"png", media="image/png", alt="words"))
DOCUMENT = Document(title="t", subtitle="s", sections=(Section(id="x", title="X", blocks=(FIGURE,)),))


def files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def test_the_folder_holds_both_reports_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "a" / "b"
    assert write(DOCUMENT, out) == out / "index.html"
    assert set(files(out)) == {"index.html", "report.md", "report_files/f.png"}
    assert files(out)["report_files/f.png"] == b"png"


def test_the_same_document_gives_the_same_bytes(tmp_path: Path) -> None:
    write(DOCUMENT, tmp_path / "a")
    write(DOCUMENT, tmp_path / "b")
    write(DOCUMENT, tmp_path / "b")
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(UserError, match=r"cannot write the report to .*file/out") as error:
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
