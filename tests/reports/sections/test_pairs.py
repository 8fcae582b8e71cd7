"""The matrix and the statistics of every pair."""

from __future__ import annotations

from synthetic_results import SyntheticRun, references, results, synthetic_runs

from bench.metrics.columns import FID_CLASSIFIER, card
from reports.comparisons import Comparison, compare_all
from reports.document import Table
from reports.format import number
from reports.sections import pairs
from reports.stats import Sample
from reports.view import view

THREE = {"a": (10.0, 10.2, 10.4), "b": (10.3, 10.5, 10.1), "c": (20.0, 21.0, 22.0)}


def tables(runs: list[SyntheticRun]) -> list[Table]:
    section = pairs.build(view(results(runs)))
    return [] if section is None else [block for block in section.blocks if isinstance(block, Table)]


def test_the_matrix_is_the_upper_triangle() -> None:
    matrix, _ = tables(synthetic_runs(THREE))
    assert [column.title for column in matrix.columns] == ["row against column", "b", "c"]
    assert [[cell.text for cell in row.cells] for row in matrix.rows] == [["a", "n.s.", "clearly better"], ["b", "", "clearly better"]]
    assert [cell.tone for cell in matrix.rows[0].cells[1:]] == ["muted", "clearly-better"]


def test_the_statistics_are_those_of_the_tests() -> None:
    matrix, figures = tables(synthetic_runs(THREE))
    expected = compare_all({name: Sample(values=values) for name, values in THREE.items()}, card(FID_CLASSIFIER))
    for row, pair in zip(figures.rows, expected, strict=True):
        assert pair.ratio is not None
        assert [cell.text for cell in row.cells[:4]] == [pair.a, pair.b, pairs.verdict_words(pair), number(pair.ratio)]
    assert matrix.rows[0].cells[2].detail == f"× {number(expected[1].ratio or 0)}"


def test_the_winner_is_named_if_it_is_the_column() -> None:
    """The cell names the winner of the test, b, although a has the better median."""
    comparison = Comparison(a="a", b="b", p=0.01, p_holm=0.01, ratio=0.8, better="b", verdict="clearly better", test="Welch on logs")
    assert pairs.verdict_words(comparison) == "b is clearly better"


def test_pairs_without_a_test_have_their_reason() -> None:
    matrix, _ = tables([*synthetic_runs(THREE), SyntheticRun(variant="d", fid=30.0)])
    last = matrix.rows[0].cells[-1]
    assert (last.text, last.detail, last.tone) == (pairs.UNTESTED, "fewer than 3 seeds", "muted")


def test_a_failure_stands_beside_the_ratio_of_the_finished_runs() -> None:
    runs = [*synthetic_runs(THREE), SyntheticRun(variant="c", seed=3, status="diverged"), *references()]
    matrix, figures = tables(runs)
    cell = matrix.rows[0].cells[-1]
    assert cell.text == "clearly better"
    assert cell.detail.startswith("× 2.0")
    assert cell.detail.endswith("c failed in 1 of 4 seeds")
    assert [row.cells[-1].text.endswith("c failed in 1 of 4 seeds") for row in figures.rows] == [False, True, True]


def test_no_section_where_nothing_can_be_tested() -> None:
    assert tables(synthetic_runs({"a": (1.0, 2.0), "b": (3.0, 4.0)})) == []
    assert tables(synthetic_runs({"a": THREE["a"]})) == []


def test_ratios_are_explained_only_if_values_have_them() -> None:
    for shift, explained in ((0.0, True), (-11.0, False)):
        shifted = {name: tuple(value + shift for value in values) for name, values in THREE.items()}
        matrix, figures = tables(synthetic_runs(shifted))
        assert ("ratio" in matrix.caption) is explained
        assert any("ratio:" in note for note in figures.notes) is explained


def test_undecided_pairs_have_the_seeds_that_would_decide() -> None:
    _, figures = tables(synthetic_runs(THREE))
    column = [title.title for title in figures.columns].index(pairs.SEEDS)
    (cohort,) = view(results(synthetic_runs(THREE))).cohorts
    needed = cohort.power.seeds["a", "b"].seeds
    assert needed is not None
    assert [row.cells[column].text for row in figures.rows] == [str(needed), "–", "–"]
    assert any(note.startswith(f"{pairs.SEEDS}:") for note in figures.notes)
    assert pairs.SEEDS not in [title.title for title in tables(synthetic_runs({"a": THREE["a"], "c": THREE["c"]}))[1].columns]


def test_without_an_estimate_the_cell_says_why() -> None:
    equal = {"a": (10.0, 10.2, 10.4), "b": (10.4, 10.0, 10.2), "c": (10.1, 10.3, 10.2)}
    failed = [*synthetic_runs(equal), SyntheticRun(variant="c", seed=3, status="failed"), *references()]
    _, figures = tables(failed)
    column = [title.title for title in figures.columns].index(pairs.SEEDS)
    assert {(row.cells[0].text, row.cells[1].text): row.cells[column].text for row in figures.rows} == {
        ("a", "b"): "> 1,000", ("a", "c"): "runs failed", ("b", "c"): "runs failed",
    }  # fmt: skip
