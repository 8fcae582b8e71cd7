"""The code blocks of docs/own-data.md run in order, with smaller budgets."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import platformdirs
import pytest
from documented import execute_commands

from bench.core.config import DATASETS
from bench.core.spec import Dataset
from bench.data.folder.layout import SUFFIXES
from bench.data.folder.name import OPTIONS
from bench.data.folder.splits import Splits, find_splits, split_name, split_names
from bench.evaluation.evaluator import FEWEST
from bench.metrics.extractors import training_plan
from bench.tracking.results import load

PAGE = (Path(__file__).parents[2] / "docs" / "own-data.md").read_text()
BLOCKS = re.findall(r"```(python|sh)\n(.*?)```", PAGE, re.DOTALL)


def blocks(kind: str) -> list[str]:
    return [text for language, text in BLOCKS if language == kind]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty working folder with its own cache and importable modules. Classifiers train in seconds."""
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for limit, value in {"COLOUR_WIDTH": 32, "GREY_WIDTH": 32, "MOST_EPOCHS": 4, "FEWEST_STEPS": 40}.items():
        monkeypatch.setattr(training_plan, limit, value)
    return tmp_path


def test_the_page_holds_the_blocks_that_are_run_here() -> None:
    assert [language for language, _ in BLOCKS] == ["python", "sh", "python", "sh", "sh", "python", "sh"]


@pytest.mark.slow
def test_the_example_of_a_folder(here: Path, uri: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    exec(blocks("python")[0], {})
    execute_commands(blocks("sh")[0], monkeypatch)
    found = load(uri, ("runs",)).runs
    assert sorted(found["variant"]) == ["dcgan", "real", "untrained"]
    assert set(found["status"]) == {"finished"}
    assert set(found["dataset"]) == {f"folder:{here}/shapes,size=32,crop=center,channels=3,test=1/7"}
    assert found.loc[found["quality/fid_classifier"].idxmin(), "variant"] == "real"
    output = " ".join(capsys.readouterr().out.split())
    assert "600 training and 100 test images, 2 classes" in output
    assert (here / "build" / "report" / "runs" / "index.html").exists()
    assert list(here.rglob("grids/final.png"))
    assert list((here / "cache" / "data" / "folder").glob("shapes-*")), (
        "the cached images are not in the folder that docs/own-data.md names"
    )
    assert list((here / "cache" / "extractors").glob("*/card.json")), "the classifier is not in the folder that docs/own-data.md names"


def test_the_example_of_pairs(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    exec(blocks("python")[1], {})
    execute_commands(blocks("sh")[1], monkeypatch)
    assert "7 training and 1 test pairs" in " ".join(capsys.readouterr().out.split())
    assert DATASETS.get("folder:squares").spec.task == "paired"
    assert DATASETS.get("folder:squares,pairs=none").spec.task == "unpaired"


@pytest.mark.slow
def test_the_example_of_an_object(here: Path, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "stripes.py").write_text(blocks("python")[2])
    dataset = DATASETS.get("stripes:DATA")
    assert isinstance(dataset, Dataset)
    image, label = dataset.split("test").data[0, 0], int(dataset.split("test").labels[0])  # type: ignore[index]
    assert bool((image == image[:1]).all()) == (label == 1), "only images with label 1 must have equal rows (vertical stripes)"
    execute_commands(blocks("sh")[3], monkeypatch)
    runs = load(uri, ("runs",)).runs
    assert set(runs["dataset"]) == {"stripes:DATA"}
    assert runs["quality/fid_classifier"].notna().all()


def test_the_limits_of_metrics_are_as_in_the_code() -> None:
    section = " ".join(PAGE.partition("## Metrics on your images")[2].partition("\n## ")[0].split())
    assert f"fewer than {training_plan.FEWEST_IMAGES} training images" in section
    assert f"fewer than {FEWEST} test images, or {FEWEST} training images" in section


def test_names_of_splits_are_as_in_the_code() -> None:
    pairs = re.findall(r"`([\w-]+)` and `([\w-]+)`", PAGE.partition("other usual names:")[2].partition("\n")[0])
    assert len(pairs) == 4
    for train, test in pairs:
        assert find_splits(Path(), [test, train]) == Splits(train=train, test=test)
    words, _, short = PAGE.partition("are the words ")[2].partition(" if all folders")[0].partition(", alone")
    assert len(names := re.findall("[a-z]+", words.replace(" and ", " "))) == 11
    assert all(split_name(name) for name in names)
    assert len(split_names(re.findall(r"\bt[a-z]\b", short))) == 3


def test_options_layouts_and_the_cache_are_as_in_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE) == list(OPTIONS)
    assert all(f"`PATH/{name}/...`" in PAGE for name in ("train", "test"))
    assert ", ".join(suffix[1:] for suffix in SUFFIXES[:-1]) + f" and {SUFFIXES[-1][1:]}" in PAGE
    if sys.platform == "linux":
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        monkeypatch.setenv("HOME", "/home/me")
        assert blocks("sh")[2].strip() == f"rm -r {platformdirs.user_cache_path('ganbench')}/data/folder".replace("/home/me", "~")
