"""The complete report from odd results: required and forbidden content of the page."""

from __future__ import annotations

import csv
import math
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from synthetic_results import FID, QUICK, SyntheticRun, complete, points, references, results, synthetic_runs
from whole_report import Written, whole

from bench.core.errors import UserError
from bench.metrics.columns import measured
from bench.tracking.results import RUN_COLUMNS, Results
from reports.build import build
from reports.document import Table
from reports.format import number
from reports.sections import pairs, progress
from reports.sections.common import png

TWO = {"a": (10.0, 11.0, 12.0), "b": (20.0, 21.0, 22.0)}
LARGEST = sys.float_info.max  # an SQL store has this value instead of infinity
ONE_ENTRY = "There is only one entry"
NOTHING_MEASURED = "No run has classifier-FID"
UNTAGGED = {name: "" for name in RUN_COLUMNS if name not in ("run_id", "kind", "seed", "status", "started")}


def ended(status: str, reason: str = "") -> list[SyntheticRun]:
    return [SyntheticRun(variant=name, seed=seed, status=status, columns={"reason": reason}) for name in "ab" for seed in range(3)]


def with_first(value: float) -> list[SyntheticRun]:
    """Return runs of two entries. The first run of one entry has this value."""
    return synthetic_runs({"a": (value, 11.0, 12.0), "b": TWO["b"]})


def tables(written: Written, section: str) -> list[Table]:
    return [block for part in written.document.sections if part.id == section for block in part.blocks if isinstance(block, Table)]


def summary(written: Written) -> dict[str, list[str]]:
    """Return the texts of each row of the summary's first table, by name."""
    return {row.cells[0].text: [cell.text for cell in row.cells[1:]] for row in tables(written, "summary")[0].rows}


def numbers_in(texts: Sequence[str]) -> set[str]:
    return {found for text in texts for found in re.findall(r"−?\d[\d.,]*", text)}


@pytest.mark.parametrize("runs", [[], references()])
def test_no_runs_is_one_line(runs: list[SyntheticRun]) -> None:
    with pytest.raises(UserError, match=r"'test' at sqlite:///test.db;"):
        build(results(runs), title="t")


SAYS: dict[str, tuple[list[SyntheticRun], tuple[str, ...]]] = {
    "one run": ([SyntheticRun(variant="a", fid=10.0)], (ONE_ENTRY, "fewer than 3 seeds", "1 of 1 finished")),
    "one seed": ([SyntheticRun(variant="a", fid=10.0), SyntheticRun(variant="b", fid=20.0)], ("fewer than 3 seeds",)),
    "one entry": (synthetic_runs({"a": TWO["a"]}), (ONE_ENTRY, "[8.52, 13.5]")),
    "all failed": (ended("failed", "out of memory"), (NOTHING_MEASURED, "Runs that did not finish", "out of memory", "0 of 6 finished")),
    "all diverged": (ended("diverged", "loss_d is infinite"), (NOTHING_MEASURED, "Runs that did not finish", "loss_d is infinite")),
    "all running": (ended("running"), (NOTHING_MEASURED, "6 runs are still running or interrupted")),
    "no metric for some": (
        [*synthetic_runs({"a": TWO["a"]}), *(SyntheticRun(variant="b", seed=seed) for seed in range(3))],
        ("a finished run was not measured", "leave out finished runs without a value"),
    ),
    "the headline for none": ([SyntheticRun(variant=v, seed=s) for v in "ab" for s in range(3)], ("Highest median precision on fashion-mnist",)),
    "missing": (with_first(math.nan), ("a finished run was not measured",)),
    "infinite": (with_first(math.inf), ("infinitely bad", "11.0 · 12.0 · failed")),
    "infinite as stored": (with_first(LARGEST), ("11.0 · 12.0 · failed",)),
    "infinitely good": (with_first(-math.inf), ("11.0 · 12.0 · failed",)),
    "nothing but infinite": (synthetic_runs({"a": (math.inf,) * 3, "b": (LARGEST,) * 3}), (NOTHING_MEASURED, "failed · failed · failed")),
    "zero": (with_first(0.0), ("0 · 11.0 · 12.0", "Welch")),
    "nothing but zero": (synthetic_runs({"a": (0.0,) * 3, "b": (0.0,) * 3}), ("the seeds do not differ", "0 · 0 · 0")),
    "negative": (with_first(-5.0), ("−5.00 · 11.0 · 12.0",)),
    "huge": (with_first(1.5e70), ("1.50e70 · 11.0 · 12.0",)),
    "tiny": (with_first(5e-324), ("4.9e−324 · 11.0 · 12.0",)),
    "nothing but tiny": (synthetic_runs({"a": (5e-324,) * 3, "b": (1e-323,) * 3}), ("4.9e−324 · 4.9e−324 · 4.9e−324",)),
    "no budget, track or names": (
        [replace(run, columns={**UNTAGGED, "run_id": run.run_id, "param:budget.images": math.nan}) for run in synthetic_runs(TWO)],
        ("an unrecorded budget", "unrecorded"),
    ),
    "unheard-of states": (ended("paused"), (NOTHING_MEASURED, "paused")),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("case", SAYS)
def test_odd_runs(case: str, tmp_path: Path) -> None:
    runs, sentences = SAYS[case]
    written = whole(results(runs, curves=case in ("one run", "infinite", "nothing but infinite", "zero", "huge")), tmp_path)
    for sentence in sentences:
        assert sentence in written.text
    assert not re.search(r"\d{30}", written.text + written.markdown + written.latex)


@pytest.mark.parametrize("case", ["one run", "one seed", "one entry", "all failed", "all running", "missing", "nothing but zero"])
def test_nothing_is_better_without_a_test(case: str, tmp_path: Path) -> None:
    written = whole(results(SAYS[case][0], curves=False), tmp_path)
    verdicts = [block.rows for block in (*tables(written, "verdict"), *tables(written, "pairs"))]
    assert not any(cell.tone in ("better", "clearly-better") for rows in verdicts for row in rows for cell in row.cells)
    assert "better than" not in written.verdict


def test_no_number_is_made_up(tmp_path: Path) -> None:
    """If every entry has one run, every number of the summary is a recorded number."""
    runs = [SyntheticRun(variant="a", fid=10.25), SyntheticRun(variant="b", fid=20.5)]
    found = results(runs, curves=False)
    recorded = {number(float(value)) for run in found.runs.to_dict("records") for key, value in run.items() if "/" in key}
    recorded |= {"2,344", "4,807", "1", "10"}  # integers: updates, images per second, runs, classes
    numbers = numbers_in([text for row in summary(whole(found, tmp_path)).values() for text in row])
    assert numbers
    assert numbers <= recorded


@pytest.mark.parametrize(
    "value",
    [math.nan, LARGEST, *(pytest.param(value, marks=pytest.mark.slow) for value in (math.inf, -math.inf, 0.0, -5.0, 1e30, 5e-324))],
)
def test_every_metric_and_its_error_is_odd(value: float, tmp_path: Path) -> None:
    keys = [key for key in measured() if key != FID]
    odd = {**dict.fromkeys(keys, value), **{f"{key}_se": value for key in [FID, *keys]}, f"best/{FID}": value}
    written = whole(results([replace(run, metrics=odd) for run in [*synthetic_runs(TWO), *references()]], curves=False), tmp_path)
    row = summary(written)["a"]
    expected = {
        math.nan: "not judged",
        math.inf: "∞",
        LARGEST: "∞",
        -math.inf: "−∞",
        0.0: "0",
        -5.0: "−5.00",
        1e30: "1.00e30",
        5e-324: "4.9e−324",
    }
    assert expected[value] in row
    assert not re.search(r"\d{30}", written.text)


@pytest.mark.slow
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_odd_reference_rows(value: float, tmp_path: Path) -> None:
    written = whole(results([*synthetic_runs(TWO), *(replace(run, fid=value) for run in references())]), tmp_path)
    assert summary(written)["untrained"][1] == number(value)  # the first column has groups of entries
    assert "Progress" not in written.document.left_out


def test_a_suite_without_references(tmp_path: Path) -> None:
    written = whole(results(synthetic_runs(TWO), curves=False), tmp_path)
    assert set(summary(written)) == {"a", "b"}
    assert "measured by the same evaluation protocol" not in written.text
    assert "Over all data" not in written.text


def test_seeds_that_nobody_recorded(tmp_path: Path) -> None:
    runs = [replace(run, columns={"seed": -1, "run_id": run.run_id}, evidence={"health": [{"flag": "f"}]}) for run in synthetic_runs(TWO)]
    written = whole(results(runs, tmp_path / "artifacts", curves=False), tmp_path)
    (warning,) = written.document.warnings
    assert warning.startswith("6 runs recorded no seed")
    assert {fact.label: fact.value for fact in written.document.facts}["seeds"] == "unrecorded"
    assert "no seed recorded" in written.text
    assert not re.search(r"[-−]1(?!\d)", written.text.replace("fashion-mnist", ""))
    assert "ganbench run a --dataset fashion-mnist --set" in written.text
    with (written.tidy / "runs.csv").open(newline="") as file:
        assert {row["seed"] for row in csv.DictReader(file)} == {"-1"}


@pytest.mark.slow
def test_two_hundred_variants(tmp_path: Path) -> None:
    found = results(synthetic_runs({f"v{i:03}": (10.0 + i, 11.0 + i, 12.0 + i) for i in range(200)}))
    marks = found.curves[found.curves["key"] == FID].reset_index(drop=True)
    written = whole(replace(found, curves=marks), tmp_path)
    assert len(summary(written)) == 200
    matrix, figures = tables(written, "pairs")
    assert (len(matrix.columns), len(figures.rows)) == (pairs.MOST, pairs.MOST * (pairs.MOST - 1) // 2)
    assert "40 entries with the best medians, of 200" in matrix.caption
    assert f"{progress.MOST} entries with the best medians, of 200" in written.text
    assert "v010, v011 or 188 more" in written.text
    assert re.search(r"\n\d,\d{3} of 19,900 pairs", written.text)
    assert len(written.html) < 2_000_000


@pytest.mark.slow
def test_names_of_a_thousand_letters(tmp_path: Path) -> None:
    names = ["x" * 1000, "y" * 999 + "z"]
    written = whole(results(synthetic_runs({names[0]: TWO["a"], names[1]: TWO["b"]}, dataset="d" * 1000)), tmp_path)
    assert set(summary(written)) == set(names)
    assert max(map(len, written.page.texts_in_pictures())) < 100
    assert f"{names[0]} is clearly better than {names[1]}." in written.text


ARTIFACTS = {
    "grids/final.png": ("After 150,000 real images,", "Through training"),
    "grids/step_*.png": ("Through training", "After 150,000 real images,"),
    "pictures/interpolation.png": ("Each row goes from one latent to another", "Through training"),
    "nearest_training.png": ("Closest to a training image", "Through training"),
    "evidence.json": ("share of each class among generated images", "Through training"),
    "environment.json": ("A processor", "Through training"),
}
RUBBISH = {"gone": None, "empty": b"", "binary": bytes(range(256)) * 4, "text": b"{half", "truncated": b""}


@pytest.fixture
def images(tmp_path: Path) -> Results:
    """Return one measured run with every artifact."""
    return results(complete([SyntheticRun(variant="a", fid=10.0)]), tmp_path / "artifacts", curves=False)


@pytest.mark.slow
@pytest.mark.parametrize("state", RUBBISH)
@pytest.mark.parametrize("pattern", ARTIFACTS)
def test_an_artifact_that_is_no_use_is_left_out_alone(pattern: str, state: str, images: Results, tmp_path: Path) -> None:
    own, other = ARTIFACTS[pattern]
    for file in (tmp_path / "artifacts").glob(f"*/{pattern}"):
        content = RUBBISH[state]
        if content is None:
            file.unlink()
        else:
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2] if state == "truncated" else content)
    written = whole(images, tmp_path)
    assert own not in written.text
    assert other in written.text


def test_a_picture_with_any_byte_wrong_is_a_picture_or_left_out(images: Results, tmp_path: Path) -> None:
    file = next((tmp_path / "artifacts").rglob("final.png"))
    good = file.read_bytes()
    outcomes = set()
    for position in range(8, min(len(good), 400)):
        file.write_bytes(good[:position] + bytes([good[position] ^ 0xA5]) + good[position + 1 :])
        outcomes.add(png(images, "a-0", "grids/final.png", "x") is None)
    assert True in outcomes


DEEP = "[" * 900 + "]" * 900
ODD_VALUES = [
    "[]", "{}", "null", '"x"', "1", "true", "NaN", "Infinity", "1e400", "9" * 400, "[null]", "[NaN]", "[[1]]", DEEP, "[" * 100_000,
    str(list(range(50_000))), '{"generated": ["0.1"], "real": [0.1]}', '{"generated": [NaN], "real": [1]}', '{"generated": {"a": 1}, "real": [1]}',
    '[{"flag": NaN, "since_images": NaN, "message": null}]', '[{"flag": [1], "since_images": Infinity, "message": {"a": 1}}]',
    '[{"since_images": true}]', '{"count": true}', '{"count": NaN}', f'{{"count": {"9" * 500}}}', '{"a": NaN, "b": null, "c": [1]}',
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("value", ODD_VALUES, ids=lambda value: value[:40])
@pytest.mark.parametrize("of", ["images", "points"])
def test_json_of_another_shape(value: str, of: str, tmp_path: Path) -> None:
    runs = complete([SyntheticRun(variant="a", fid=10.0)]) if of == "images" else points({"c": (0.1,)})[:1]
    found = results(runs, tmp_path / "artifacts", curves=False)
    keys = ("class_names", "class_share", "health", "reasons", "modes", "centres", "points", "bins", "spectrum")
    for folder in (tmp_path / "artifacts").iterdir():
        (folder / "evidence.json").write_text("{" + ", ".join(f'"{key}": {value}' for key in keys) + "}")
        (folder / "environment.json").write_text(f'{{"cpu": {value}, "torch": "2.14.1"}}')
    written = whole(found, tmp_path)
    assert "share of each class among generated images" not in written.text
    assert "modes in every finished run" not in written.text
    environment = {row.cells[0].text: row.cells[1].text for row in tables(written, "provenance")[1].rows if len(row.cells) == 2}
    whole_file = value != "[" * 100_000
    assert environment.get("torch") == ("2.14.1" if whole_file else None)
    assert environment.get("cpu") == ({'"x"': "x", "1": "1", "true": "yes"}.get(value, "–") if whole_file else None)


@pytest.mark.slow
@pytest.mark.parametrize(
    "shares",
    [
        "[0.2, 0.3]",
        "[0.2, 0.3, 0.5, 0]",
        '["0.2", "0.3", "0.5"]',
        "[NaN, 0.5, 0.5]",
        "[-0.1, 0.6, 0.5]",
        "[0, 0, 0]",
        "[1e300, 0, 0]",
        '"abc"',
    ],
)
def test_shares_that_are_none(shares: str, images: Results, tmp_path: Path) -> None:
    for file in (tmp_path / "artifacts").rglob("evidence.json"):
        file.write_text(f'{{"class_names": ["a", "b", "c"], "class_share": {{"generated": {shares}, "real": [0.3, 0.3, 0.4]}}}}')
    assert "Classes" in whole(images, tmp_path).document.left_out


@pytest.mark.slow
def test_runs_in_another_order_give_the_same_bytes(tmp_path: Path) -> None:
    """The order of runs, curves and evaluation protocols in the store has no effect on the files."""
    runs = [*complete([*synthetic_runs({name: QUICK[name] for name in ("dcgan", "wgan")}), *references()]), *points({"c": (0.1, 0.2, 0.3)})]
    first = results(runs, tmp_path / "artifacts")
    shuffled = replace(
        first,
        runs=first.runs.sample(frac=1, random_state=1).reset_index(drop=True),
        curves=first.curves.sample(frac=1, random_state=2).reset_index(drop=True),
        protocols=first.protocols.sample(frac=1, random_state=3).reset_index(drop=True),
    )
    for found, name in ((first, "one"), (first, "again"), (shuffled, "two")):
        whole(found, tmp_path / name)
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file())
    for name in ("again", "two"):
        assert sorted(path.relative_to(tmp_path / name) for path in (tmp_path / name).rglob("*") if path.is_file()) == files
        assert [str(path) for path in files if (tmp_path / name / path).read_bytes() != (tmp_path / "one" / path).read_bytes()] == []
