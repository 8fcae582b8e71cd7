"""Copies of a project folder on a disk that is mounted read-only."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from real_runs import RUN, call
from small_disk import small_disk

from bench.tracking.results import load


@pytest.mark.faults
def test_a_copy_on_a_read_only_disk(tmp_path: Path) -> None:
    original, out = tmp_path / "original", tmp_path / "out"
    for folder in (original, out):
        folder.mkdir()
    status, text = call(original, *RUN, "--set", "budget.images=640")
    assert status == 0, text
    run_id = str(load(f"sqlite:///{original}/mlflow.db", ("runs",)).runs.query("kind == 'run'")["run_id"].iloc[0])
    with small_disk(tmp_path / "disk", megabytes=60) as disk:
        shutil.copytree(original, disk.path, dirs_exist_ok=True)
        shutil.rmtree(original)
        disk.read_only()
        store = {"MLFLOW_TRACKING_URI": f"sqlite:///{disk.folder}/mlflow.db"}
        for words in (("sample", run_id, "--out", "x.npz"), ("report", "--suite", "runs", "--out", "page")):
            status, text = call(out, *words, prefix=disk.prefix, **store)
            assert status == 0, text
            assert "Traceback" not in text
        page = (out / "page" / "index.html").read_text()
        assert "Samples" in page
        assert "Training curves" in page
        status, text = call(out, *RUN, "--seed", "1", "--set", "budget.images=640", prefix=disk.prefix, **store)
        assert (status, "cannot be written" in text) == (2, True), text
    assert not original.exists()
