"""docs/notebooks/first-comparison.ipynb runs, and its committed outputs are of one complete execution."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
from pathlib import Path
from typing import Any

import pytest

from bench.core.config import config_for
from bench.scheduling.suite import SUITES, plan
from bench.tracking.results import load

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "notebooks" / "first-comparison.ipynb"
MOST_BYTES = 300_000
NOTEBOOK: dict[str, Any] = json.loads(PAGE.read_text(encoding="utf-8"))
CELLS = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
SHELL = "%%sh\n"


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def pictures(cells: list[Any]) -> list[str]:
    return [output["data"]["image/png"] for cell in cells for output in cell["outputs"] if "image/png" in output.get("data", {})]


def text(cells: list[Any]) -> str:
    return "".join("".join(output.get("text", "")) for cell in cells for output in cell["outputs"])


def test_the_committed_outputs_are_complete_and_small() -> None:
    assert PAGE.stat().st_size < MOST_BYTES
    assert [cell["execution_count"] for cell in CELLS] == list(range(1, len(CELLS) + 1))
    assert len(pictures(CELLS)) == 2
    assert not [
        output for cell in CELLS for output in cell["outputs"] if output["output_type"] == "error" or output.get("name") == "stderr"
    ]
    assert "6 runs done now (6 finished)" in text(CELLS)


def test_the_commands_exist() -> None:
    lines = [line for cell in CELLS if source(cell).startswith(SHELL) for line in source(cell).removeprefix(SHELL).splitlines()]
    suite, report = (shlex.split(line) for line in lines)
    assert suite[:3] == ["ganbench", "suite", "smoke"]
    assert report == ["ganbench", "report", "--suite", "smoke"]
    only, settings = suite[suite.index("--only") + 1], [suite[i + 1] for i, word in enumerate(suite) if word == "--set"]
    planned = plan(SUITES.get("smoke"), only=only, seeds=3)
    assert {run.config.variant for run in planned} == {"ns-gan", "wgan-gp"}
    assert {run.config.dataset for run in planned} == {"digits"}
    assert config_for("ns-gan", dict(setting.split("=") for setting in settings)).budget.images == 12_000


def test_links_lead_to_files() -> None:
    links = [part.partition(")")[0] for cell in NOTEBOOK["cells"] for part in source(cell).split("](")[1:]]
    assert links
    assert [link for link in links if not (PAGE.parent / link).is_file()] == []


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All cells run in a new process, whose results are in a temporary folder. The folder in which the notebook starts stays empty."""
    if importlib.util.find_spec("ipykernel") is None or importlib.util.find_spec("nbclient") is None:
        pytest.skip("needs nbclient and ipykernel")
    import nbformat
    from nbclient import NotebookClient

    start, results = tmp_path / "start", tmp_path / "results"
    start.mkdir()
    results.mkdir()
    for name, folder in {"TMPDIR": results, "GANBENCH_CACHE": tmp_path / "cache", "IPYTHONDIR": tmp_path / "ipython"}.items():
        monkeypatch.setenv(name, str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]))
    notebook = nbformat.read(PAGE, as_version=4)
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(start)}}).execute()
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(pictures(cells)) == 2
    assert "6 runs done now (6 finished)" in text(cells)
    assert list(start.iterdir()) == []
    folder = next(results.glob("ganbench-*"))
    assert (folder / "build" / "report" / "smoke" / "index.html").is_file()
    runs = load(f"sqlite:///{folder}/mlflow.db", ["smoke"]).runs
    assert sorted(runs["variant"]) == [*["ns-gan"] * 3, "real", "untrained", *["wgan-gp"] * 3]
