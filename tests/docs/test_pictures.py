"""Every picture and example report of docs/ has a part of docs/make_pictures.py that makes it again, or a reason why not."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest
from docs_scripts import DOCS, docs_script

from bench.cli import app
from bench.scheduling.suite import SUITES
from studies.study import STUDIES

PICTURES = (".png", ".svg", ".jpg", ".gif", ".webp")


@pytest.fixture
def maker(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(DOCS))
    return docs_script("make_pictures")


def test_every_picture_and_example_has_a_part(maker: ModuleType) -> None:
    covered = {file for part in maker.PARTS for glob in part.files for file in DOCS.glob(glob)}
    images = {path for path in (DOCS / "images").rglob("*") if path.suffix in PICTURES}
    examples = {path for path in (DOCS / "examples").iterdir() if path.is_dir()}
    others = {file for glob in maker.OTHERS for file in DOCS.glob(glob)}
    assert sorted(images - covered - others) == []
    assert sorted(examples - covered) == []
    assert covered & others == set()
    assert all(reason for reason in maker.OTHERS.values())


def test_every_part_makes_files_that_exist(maker: ModuleType) -> None:
    assert [glob for part in maker.PARTS for glob in part.files if not list(DOCS.glob(glob))] == []
    names = [part.name for part in maker.PARTS]
    assert len(set(names)) == len(names)


def test_every_part_records_a_registered_suite_or_study(maker: ModuleType) -> None:
    import typer

    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for part in maker.PARTS:
        command, *names = part.record
        assert command in commands
        assert all(name in {"suite": SUITES, "study": STUDIES}[command].names() for name in names)


def test_a_picture_that_cannot_be_made_is_named(
    maker: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commands: list[list[str]] = []

    def run(words: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(words[1:])
        return subprocess.CompletedProcess(words, 0)

    monkeypatch.setattr(maker.subprocess, "run", run)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    parts = [part for part in maker.PARTS if part.name in ("quick", "baseline", "report")]
    assert maker.make_parts(parts, tmp_path, recorded=False) == ["images/report.png"]
    assert (
        "Chromium is not installed (install the package chromium of your system), so these pictures are unchanged: images/report.png"
        in capsys.readouterr().err
    )
    assert [words[:1] for words in commands] == [["suite"], ["report"], ["report"]]  # recorded once
    commands.clear()
    maker.make_parts(parts, tmp_path, recorded=True)
    assert [words[:1] for words in commands] == [["report"], ["report"]]


def test_a_command_that_fails_stops_it(maker: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    status = {"suite": 1, "report": 2}  # a failed run is a result
    monkeypatch.setattr(maker.subprocess, "run", lambda words, **_: subprocess.CompletedProcess(words, status[words[1]]))
    with pytest.raises(SystemExit, match=r"report --suite quick .* exited with status 2"):
        maker.make_parts(maker.PARTS[:1], tmp_path, recorded=False)
