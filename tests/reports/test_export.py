"""The tidy files: their documented columns, their bytes and their digits."""

from __future__ import annotations

import csv
import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from synthetic_results import FID, SyntheticRun, complete, references, results, synthetic_runs

from bench.core.errors import UserError
from bench.metrics.columns import CARDS, SE, measured
from bench.tracking.results import ENVIRONMENT, RUN_COLUMNS, Results
from reports.baseline import read_baseline
from reports.export import ABOUT, BUDGET_COLUMNS, CURVES, FORMAT, PROTOCOLS, RUNS, about, curves_frame, runs_frame, write_csv

DOCS = Path(__file__).parents[2] / "docs" / "tidy-results.md"
ODD = 'a "quoted", name\nof two lines'


def some() -> list[SyntheticRun]:
    runs = synthetic_runs({"a": (0.1 + 0.2, 1e-17, 12345678.9), ODD: (1.0, 2.0, 3.0)})
    return [*runs, SyntheticRun(variant="NA", status="diverged", columns={"reason": "None"}), *references()]


def table(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_documented_columns_are_those_that_are_written() -> None:
    text = DOCS.read_text(encoding="utf-8")
    contract = re.findall(r"^\| `(\w+)` \|", text.partition("## runs.csv")[2].partition("## ")[0], flags=re.MULTILINE)
    assert contract == [*RUN_COLUMNS, *BUDGET_COLUMNS]
    frame = runs_frame(results(some()))
    assert list(frame.columns)[: len(contract)] == contract
    rest = list(frame.columns)[len(contract) :]
    metrics = [key for key in rest if not key.startswith("param:")]
    assert metrics == [key for key in CARDS if key in metrics]
    assert rest == [*metrics, *sorted(rest[len(metrics) :])]
    assert f"format {FORMAT} " in text.replace("(", " ")
    for name, header in ((CURVES, "run_id, images, seconds, key, value"), (PROTOCOLS, "run_id, key, protocol")):
        assert re.search(rf"{name}\s.*{header}", text)


def test_floats_and_texts_come_back_as_they_were(tmp_path: Path) -> None:
    before = results(some())
    write_csv(before, tmp_path)
    rows = {row["run_id"]: row for row in table(tmp_path, RUNS)}
    for run in before.runs.to_dict("records"):
        row = rows[run["run_id"]]
        assert (row["variant"], row["reason"], row["status"]) == (run["variant"], run["reason"], run["status"])
        assert row[FID] == "" if math.isnan(run[FID]) else float(row[FID]) == run[FID]
    again, newest = read_baseline(tmp_path)
    assert newest == "2025-01-02"
    merged = again.runs.set_index("run_id").loc[before.runs["run_id"]].reset_index()
    assert list(merged[FID].dropna()) == list(before.runs[FID].dropna())
    assert list(merged["variant"]) == list(before.runs["variant"])
    assert list(merged["started"]) == list(before.runs["started"])


def test_budgets_of_every_unit(tmp_path: Path) -> None:
    seconds = {"param:budget.images": "None", "param:budget.train_seconds": "60.5"}
    write_csv(results([*synthetic_runs({"a": (1.0,)}), *synthetic_runs({"b": (1.0,)}, **seconds), *references()]), tmp_path)
    found = {row["variant"]: (row["budget"], row["budget_unit"]) for row in table(tmp_path, RUNS)}
    assert (found["a"], found["b"]) == (("150000", "images"), ("60.5", "train_seconds"))
    assert not any(name.startswith("param:budget") for name in table(tmp_path, RUNS)[0])
    assert read_baseline(tmp_path)[0].runs.set_index("variant").loc["b", "param:budget.train_seconds"] == "60.5"


def test_best_checkpoints_have_columns_of_their_own() -> None:
    runs = [replace(run, metrics={f"best/{FID}": run.fid - 1}) for run in synthetic_runs({"a": (10.0, 11.0)})]
    assert list(runs_frame(results(runs))[f"best/{FID}"]) == [9.0, 10.0]


def test_standard_errors_stand_beside_their_metrics(tmp_path: Path) -> None:
    runs = complete(synthetic_runs({"a": (10.0, 11.0)}))
    frame = runs_frame(results(runs))
    keys = [name for name in map(str, frame.columns) if "/" in name]
    assert all(keys[keys.index(key) - 1] == key.removesuffix(SE) for key in keys if key.endswith(SE))
    assert list(frame[f"{FID}{SE}"]) == [0.1, 0.11]
    write_csv(results(runs), tmp_path)
    assert list(read_baseline(tmp_path)[0].runs[f"{FID}{SE}"]) == [0.1, 0.11]


def test_rows_stand_in_a_fixed_order_and_the_bytes_are_the_same(tmp_path: Path) -> None:
    first = results(some())
    shuffled = replace(
        first,
        runs=first.runs.sample(frac=1, random_state=0).reset_index(drop=True),
        curves=first.curves.sample(frac=1, random_state=0),
        protocols=first.protocols.sample(frac=1, random_state=0),
    )
    write_csv(first, tmp_path / "a")
    write_csv(shuffled, tmp_path / "b")
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == sorted([ABOUT, CURVES, PROTOCOLS, RUNS])
    assert [(tmp_path / "a" / name).read_bytes() for name in names] == [(tmp_path / "b" / name).read_bytes() for name in names]
    assert [row["kind"] for row in table(tmp_path / "a", RUNS)][-2:] == ["reference"] * 2


def test_curves_hold_what_was_measured_and_no_scalars_of_training() -> None:
    frame = curves_frame(results(some()))
    assert set(frame["key"]) == {FID}
    assert set(frame["key"]) <= set(measured())


def test_about_says_where_the_rows_come_from(tmp_path: Path) -> None:
    found = results([*synthetic_runs({"a": (1.0, 2.0)}, variant_version="2"), *synthetic_runs({"b": (1.0,)})], tmp_path)
    (tmp_path / "0" / ENVIRONMENT).write_text(
        json.dumps({"cpu": "A processor", "home": "/home/me", "cores": 4, "odd": math.nan, "list": [1]})
    )
    facts = about(found)
    assert (facts["format"], facts["runs"], facts["newest_run"]) == (FORMAT, 3, "2025-01-02")
    assert facts["variants"] == {"a": ["2"], "b": ["1"]}
    assert (facts["results_versions"], facts["tracks"], facts["budgets"]) == (["1"], ["published"], ["150,000 real images"])
    assert facts["protocols"]["fashion-mnist"][FID] == [f"p0-{FID}"]
    assert (facts["machines"]["cpu"], facts["machines"]["cores"]) == (["A processor"], [2, 4])
    assert (facts["machines"]["home"], facts["machines"]["odd"], facts["machines"]["list"]) == ([], [], [])
    assert found.uri not in json.dumps(facts)


def test_data_of_a_folder_has_the_same_name_in_every_file(tmp_path: Path) -> None:
    name = "folder:/home/me/shapes"
    found = results(synthetic_runs({"a": (1.0,)}, dataset=name, **{"param:dataset": name}))
    write_csv(found, tmp_path)
    facts = json.loads((tmp_path / ABOUT).read_text())
    (row,) = table(tmp_path, RUNS)
    assert facts["datasets"] == list(facts["protocols"]) == [row["dataset"]] == [row["param:dataset"]] == [name]
    assert "absolute path" in DOCS.read_text(encoding="utf-8")


def test_no_runs_at_all_still_gives_tables(tmp_path: Path) -> None:
    write_csv(results([]), tmp_path)
    assert table(tmp_path, RUNS) == []
    assert json.loads((tmp_path / ABOUT).read_text())["newest_run"] == ""


def test_a_folder_in_the_way_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here")
    with pytest.raises(UserError, match=re.escape(repr(str(tmp_path / "file")))):
        write_csv(results(some()), tmp_path / "file")


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Return a folder of tidy results."""
    write_csv(results(some()), tmp_path)
    return tmp_path


def test_the_published_folder_is_read_as_results(published: Path) -> None:
    found, _ = read_baseline(published)
    assert isinstance(found, Results)
    assert found.experiments == ("test",)
    assert set(found.protocols.columns) == {"run_id", "key", "protocol"}
