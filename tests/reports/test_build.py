"""The complete report, also from odd results."""

from __future__ import annotations

import hashlib
import math
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import pytest
from synthetic_results import SyntheticRun, complete, distilled_runs, points, references, results, synthetic_runs

from bench.metrics.columns import measured
from reports.build import OCCASIONAL, SECTIONS, build, summary_tables, write
from reports.document import Document, Table
from reports.html import html
from reports.markdown import markdown

TWO = {"a": (10.0, 11.0, 12.0), "b": (20.0, 21.0, 22.0)}
EVERYTHING = [*complete([*synthetic_runs(TWO), *references()]), *points({"c": (0.1, 0.2, 0.3), "d": (0.5, 0.6, 0.7)})]
DIGEST = """
import hashlib, sys
sys.path[:0] = ["tests/support"]
from synthetic_results import complete, synthetic_runs, points, references, results
from reports.build import build
from reports.html import html
images = complete([*synthetic_runs({"a": (10.0, 11.0, 12.0), "b": (20.0, 21.0, 22.0)}), *references()])
runs = [*images, *points({"c": (0.1, 0.2, 0.3), "d": (0.5, 0.6, 0.7)})]
print(hashlib.sha256(html(build(results(runs), title="t")).encode()).hexdigest())
"""


def texts(value: object) -> Iterator[str]:
    """Yield every piece of text in a document."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from texts(item)
    elif is_dataclass(value):
        for field in fields(value):
            yield from texts(getattr(value, field.name))


def text_of(document: Document, section: str = "") -> str:
    """Return all text of a document, or of one section, one piece a line."""
    return "\n".join(texts(document) if not section else (text for part in document.sections if part.id == section for text in texts(part)))


def test_a_full_report_has_every_section(quick_report: Document) -> None:
    document = quick_report
    assert len(document.sections) == len(SECTIONS) - len(OCCASIONAL)
    assert (document.left_out, document.warnings) == ((), ())
    assert document.sections[0].id == "verdict"
    assert {fact.label: fact.value for fact in document.facts} == {
        "data": "fashion-mnist",
        "budget a run": "150,000 real images",
        "track": "published recipes",
        "seeds": "0, 1 and 2",
        "runs": "24 of 24 finished",
        "last run": "2025-01-02",
    }


def test_sections_without_data_are_left_out_and_named() -> None:
    document = build(results(synthetic_runs(TWO), curves=False), title="t")
    assert document.left_out == (
        "Samples", "Progress", "Do the extractors agree?", "Modes", "Classes", "Memorisation", "Training curves", "Interpolation",
    )  # fmt: skip
    assert ", ".join(document.left_out) in html(document)


@pytest.mark.slow
def test_the_same_results_give_the_same_bytes_in_another_process() -> None:
    document = build(results(EVERYTHING), title="t")
    ours = hashlib.sha256(html(document).encode()).hexdigest()
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(root)}
    theirs = subprocess.run([sys.executable, "-c", DIGEST], capture_output=True, text=True, check=True, cwd=root, env=environment)
    assert theirs.stdout.strip() == ours


def test_data_too_small_for_conclusions_is_a_warning_at_the_top() -> None:
    document = build(results(synthetic_runs(TWO, dataset="digits", claims="false"), curves=False), title="t")
    (warning,) = document.warnings
    assert "digits" in warning
    assert warning in markdown(document).text
    assert build(results(synthetic_runs(TWO), curves=False), title="t").warnings == ()


def test_runs_that_have_not_ended_are_a_warning_at_the_top() -> None:
    document = build(results([*synthetic_runs(TWO), SyntheticRun(variant="a", seed=3, status="running")], curves=False), title="t")
    (warning,) = document.warnings
    assert warning.startswith("1 run ")


def test_two_protocols_are_a_warning_at_the_top() -> None:
    document = build(
        results(
            [*synthetic_runs({"a": TWO["a"]}), *(replace(run, protocol="p1") for run in synthetic_runs({"b": TWO["b"]}))], curves=False
        ),
        title="t",
    )
    assert "protocol" in document.warnings[0]
    assert [part.id for part in document.sections].count("pairs") == 0


def test_two_results_versions_are_a_warning_at_the_top() -> None:
    document = build(
        results([*synthetic_runs({"a": TWO["a"]}, results_version="2"), *synthetic_runs({"b": TWO["b"]})], curves=False), title="t"
    )
    assert "results version" in document.warnings[0]
    assert "fashion-mnist, results version 2" in text_of(document)


def test_older_runs_with_another_headline_and_new_ones_read_well() -> None:
    newer = {"c": ((1.0, 5.0), (1.1, 6.0), (1.2, 7.0)), "d": ((2.0, 30.0), (2.1, 31.0), (2.2, 32.0))}
    runs = [*synthetic_runs(TWO), *distilled_runs(newer), *distilled_runs(newer, dataset="digits"), *references()]
    document = build(results(runs), title="t")
    assert not document.warnings
    verdict = text_of(document, "verdict")
    assert "Lowest median distilled FID on digits" in verdict
    assert "Lowest median classifier-FID on fashion-mnist" in verdict
    assert "No run has" not in text_of(document)


def test_data_without_metrics_reads_well(tmp_path: Path) -> None:
    bare = dict.fromkeys(measured(), math.nan)
    runs = [
        SyntheticRun(variant=name, seed=seed, metrics=bare, protocol="", columns={"dataset": "photos"})
        for name in "ab"
        for seed in range(3)
    ]
    found = results(runs, tmp_path)
    document = build(found, title="t")
    assert document.left_out == ("Progress", "Quality against cost", "Pairs", "Do the extractors agree?", "Modes", "Memorisation")
    texts_of = {section.id: list(texts(section)) for section in document.sections}
    assert any("photos" in text for text in texts_of["verdict"])
    assert not any(
        "Welch" in text or "classifier-FID" in text for section in ("verdict", "summary", "samples") for text in texts_of[section]
    )
    assert any("All 6 runs finished" in text for text in texts_of["health"])
    assert {"samples", "training", "interpolation"} <= set(texts_of)
    (table,) = summary_tables(found)
    assert [header.strip() for header in table.headers[:2]] == ["variant", "runs"]
    assert [row[:2] for row in table.rows] == [("a", "3/3 finished"), ("b", "3/3 finished")]


def test_a_run_that_failed_is_no_data_without_metrics() -> None:
    document = build(results([SyntheticRun(variant="a", status="failed")], curves=False), title="t")
    assert "classifier-FID" in text_of(document, "verdict")
    assert "pairs" not in {part.id for part in document.sections}


@pytest.mark.parametrize(
    ("track", "words"),
    [("published", "published recipes"), ("controlled", "controlled: one network, only the loss differs"), ("mine", "mine")],
)
def test_every_table_of_figures_says_its_track(track: str, words: str) -> None:
    document = build(results([*synthetic_runs(TWO, track=track), *references()], curves=False), title="t")
    tables = [block for section in document.sections for block in section.blocks if isinstance(block, Table)]
    figures = [table for table in tables if section_of(document, table) in ("verdict", "summary", "pairs")]
    assert len(figures) == 7
    assert all(words in table.caption for table in figures)
    assert {fact.label: fact.value for fact in document.facts}["track"] == words


def section_of(document: Document, block: Table) -> str:
    return next(section.id for section in document.sections if block in section.blocks)


def test_points_are_ranked_by_reverse_kl_and_never_called_images() -> None:
    document = build(results(points({"c": (0.1, 0.2, 0.3), "d": (0.5, 0.6, 0.7)})), title="t")
    judging = [
        text
        for section in document.sections
        if section.id in ("verdict", "summary", "pairs", "progress", "modes")
        for text in texts(section)
    ]
    assert any("median reverse KL on ring8" in text and "150,000 real points" in text and "c, 0.200" in text for text in judging)
    assert not any("FID" in text or "real images" in text or "training images" in text for text in judging)


ODD = {
    "one run": [SyntheticRun(variant="a", fid=10.0)],
    "one seed": [SyntheticRun(variant="a", fid=10.0), SyntheticRun(variant="b", fid=20.0)],
    "all failed": [
        SyntheticRun(variant=name, seed=seed, status="diverged", columns={"reason": "loss_d is inf"}) for name in "ab" for seed in range(3)
    ],
    "no metric": [SyntheticRun(variant=name, seed=seed) for name in "ab" for seed in range(3)],
    "a metric missing for some": [*synthetic_runs({"a": TWO["a"]}), *(SyntheticRun(variant="b", seed=seed) for seed in range(3))],
    "equal seeds": synthetic_runs({"a": (10.0, 10.0, 10.0), "b": (20.0, 20.0, 20.0)}),
    "negative": synthetic_runs({"a": (-1.0, 0.0, 1.0), "b": (2.0, 3.0, 4.0)}),
    "infinite": synthetic_runs({"a": (math.inf, 1.0, 2.0), "b": (3.0, 4.0, 5.0)}),
    "running": [SyntheticRun(variant="a", status="running"), SyntheticRun(variant="b", status="interrupted")],
    "odd names": synthetic_runs({"$a_b$": TWO["a"], "_b": TWO["b"], "𝛼 👩‍🚀 שלום": (5.0, 6.0, 7.0), "x" * 300: (7.0, 8.0, 9.0)}),
    "no budget": synthetic_runs(TWO, **{"param:budget.images": math.nan}),
}


CASES = ("one run", "all failed", "negative", "infinite", "running", "odd names")  # the other cases have similar plots


@pytest.mark.slow
@pytest.mark.parametrize("case", ODD)
def test_odd_results_give_a_report(case: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = results(ODD[case], tmp_path / "artifacts" if case == "odd names" else None, curves=case in CASES)
        document = build(found, title=case)
        page = write(document, tmp_path / "report").read_text()
        tables = summary_tables(found)
    assert "nan" not in text_of(document).lower().split()
    assert document.title in page
    assert all(len(row) == len(table.headers) for table in tables for row in table.rows)


@pytest.mark.parametrize("case", ["one run", "one seed", "all failed", "no metric", "equal seeds", "running"])
def test_nothing_is_better_without_a_test(case: str) -> None:
    document = build(results(ODD[case], curves=False), title=case)
    assert "better than" not in text_of(document, "verdict")
    assert not {"significantly better", "clearly better"} & set(text_of(document, "pairs").splitlines())


def test_broken_artifacts_are_left_out(tmp_path: Path) -> None:
    found = results(synthetic_runs(TWO), tmp_path)
    for file in (*tmp_path.rglob("*.png"), *tmp_path.rglob("*.json")):
        file.write_bytes(b"{broken")
    assert {"Samples", "Interpolation", "Classes"} <= set(build(found, title="t").left_out)


def test_the_summary_for_a_terminal() -> None:
    (table,) = summary_tables(results([*synthetic_runs(TWO), SyntheticRun(variant="a", seed=3, status="diverged"), *references()]))
    assert table.title == "fashion-mnist, 150,000 real images each, published recipes"
    assert table.headers[:4] == ("variant", "classifier-FID\N{NO-BREAK SPACE}↓", "mean [95\N{NO-BREAK SPACE}%]", "runs")
    assert table.rows[0][:4] == ("a", "11.5", "∞", "3/4 finished, 1 diverged")
    assert table.rows[1][:4] == ("b", "21.0", "21.0 [18.5, 23.5]", "3/3 finished")
    assert [row[0] for row in table.rows[2:]] == ["real", "untrained"]
