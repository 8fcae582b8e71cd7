"""The summary table and its numbers."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from synthetic_results import FID, PIXELS, SyntheticRun, points, references, results, synthetic_runs

from reports.document import Row, Table
from reports.sections import summary
from reports.view import view

TWO = {"a": (10.0, 11.0, 12.0), "b": (20.0, 21.0, 22.0)}


def table_of(runs: list[SyntheticRun]) -> Table:
    section = summary.build(view(results(runs)))
    assert section is not None
    found = section.blocks[0]
    assert isinstance(found, Table)
    return found


def by_title(table: Table, row: Row) -> dict[str, str]:
    return {column.title: cell.text for column, cell in zip(table.columns, row.cells, strict=True)}


def test_a_row_by_hand() -> None:
    table = table_of([*synthetic_runs(TWO), *references()])
    row = by_title(table, table.rows[0])
    assert list(row.values()) == [
        "a", "A·", "11.0", "11.0", "10.0 · 11.0 · 12.0", "3/3", "0.610", "0.420", "10", "0.002", "0 of 3", "2,344", "31.2", "4,807",
    ]  # fmt: skip
    assert [title.replace("\N{NO-BREAK SPACE}", " ").strip() for title in row] == [
        "", summary.GROUP, "classifier-FID ↓", "mean [95 %]", "each seed", "runs", "precision ↑", "recall ↑", "classes covered ↑", "duplicates ↓",
        "collapse ↓", "G updates", "train seconds ↓", "images/s ↑",
    ]  # fmt: skip
    assert table.rows[0].cells[3].detail == "[8.52, 13.5]"


def test_reference_rows_have_only_their_values() -> None:
    table = table_of([*synthetic_runs(TWO), *references()])
    real, untrained = table.rows[-2:]
    assert (real.reference, untrained.reference) == (True, True)
    assert [cell.text for cell in real.cells] == ["real", "", "0.100", "", "", "", "0.800", "–", "10", "–", "", "–", "–", "–"]
    assert untrained.cells[2].text == "210"


def test_failures_are_counted_and_infinitely_bad() -> None:
    runs = [
        *synthetic_runs(TWO),
        SyntheticRun(variant="a", seed=3, status="diverged"),
        SyntheticRun(variant="a", seed=4, status="failed"),
        SyntheticRun(variant="a", seed=5, status="failed"),
    ]
    table = table_of(runs)
    row = by_title(table, table.rows[1])
    assert (row[summary.MEAN], row["runs"]) == ("∞", "3/6")
    assert table.rows[1].cells[2].text == "∞"
    assert table.rows[1].cells[5].detail == "1 diverged, 2 failed"
    assert row["each seed"] == "10.0 · 11.0 · 12.0 · failed · failed · failed"
    assert any("infinitely bad" in note for note in table.notes)


def test_two_seeds_have_no_interval() -> None:
    table = table_of(synthetic_runs({"a": (10.0, 11.0)}))
    assert table.rows[0].cells[2].detail == ""
    assert any("fewer than 3 seeds" in note for note in table.notes)


def test_equal_notes_share_a_mark() -> None:
    table = table_of(
        [
            *synthetic_runs({"a": TWO["a"]}, note="same"),
            *synthetic_runs({"b": TWO["b"]}, note="same"),
            *synthetic_runs({"c": (30.0, 31.0, 32.0)}, note="other"),
        ]
    )
    assert [row.cells[0].mark for row in table.rows] == ["a", "a", "b"]
    assert table.notes[:2] == ("(a) a, b: same", "(b) c: other")


@pytest.mark.parametrize(
    ("values", "text"), [((1.0, 0.0, 0.0), "1 of 3"), ((math.nan, 1.0, 1.0), "2 of 2"), ((math.nan,) * 3, "not judged")]
)
def test_collapse_counts_what_was_judged(values: tuple[float, ...], text: str) -> None:
    runs = [replace(run, metrics={"modes/collapse": value}) for run, value in zip(synthetic_runs({"a": TWO["a"]}), values, strict=True)]
    table = table_of([*runs, *synthetic_runs({"b": TWO["b"]})])
    assert table.rows[0].cells[-4].text == text


def test_the_best_checkpoint_is_beside_the_last_and_does_not_rank() -> None:
    better = {"a": 9.0, "b": 1.0}
    runs = [replace(run, metrics={f"best/{FID}": better[run.variant]}) for run in synthetic_runs(TWO)]
    found = results([*runs, *references()])
    table = table_of([*runs, *references()])
    titles = [column.title.replace("\N{NO-BREAK SPACE}", " ") for column in table.columns]
    assert titles[2:4] == ["classifier-FID, last ↓", "best checkpoint ↓"]
    assert [[cell.text for cell in row.cells[:4]] for row in table.rows] == [
        ["a", "A·", "11.0", "9.00"], ["b", "·B", "21.0", "1.00"], ["real", "", "0.100", ""], ["untrained", "", "210", ""],
    ]  # fmt: skip
    assert {len(row.cells) for row in table.rows} == {len(table.columns)}
    assert any(note.startswith("best checkpoint:") for note in table.notes)
    (plain,) = summary.plain_tables(view(found))
    assert [row[:3] for row in plain.rows] == [
        ("a", "11.0", "9.00"),
        ("b", "21.0", "1.00"),
        ("real", "0.100", ""),
        ("untrained", "210", ""),
    ]
    assert {len(row) for row in plain.rows} == {len(plain.headers)}


def test_a_failed_run_is_infinitely_bad_at_its_best_too() -> None:
    runs = [replace(run, metrics={f"best/{FID}": 9.0}) for run in synthetic_runs({"a": (10.0, 11.0)})]
    table = table_of([*runs, *(SyntheticRun(variant="a", seed=seed, status="diverged") for seed in (2, 3, 4))])
    assert table.rows[0].cells[2].text == "∞"


def test_a_metric_without_values_has_no_column() -> None:
    runs = [replace(run, metrics={"quality/recall_classifier": math.nan}) for run in synthetic_runs(TWO)]
    assert not any("recall" in column.title for column in table_of(runs).columns)


def test_every_metric_is_in_a_folded_table() -> None:
    section = summary.build(view(results([*synthetic_runs(TWO), *references()])))
    assert section is not None
    folded = [block for block in section.blocks[1:] if isinstance(block, Table)]
    assert [table.folded for table in folded] == ["Every metric of quality", "Every metric of diversity", "Every metric of modes"]
    assert "pairwise distance" in [column.title.strip("\N{NO-BREAK SPACE}") for column in folded[1].columns]


def test_the_half_sample_error_is_below_the_dots() -> None:
    """The cell has the error and its share of the variance: 4 % for an error of 0.2 and a variance of 1."""
    runs = [replace(run, metrics={f"{FID}_se": 0.2}) for run in synthetic_runs(TWO)]
    table = table_of(runs)
    assert [row.cells[4].detail for row in table.rows] == ["standard error 0.200 (4 %)"] * 2
    assert any("here 4 %" in note for note in table.notes)
    assert not any("noise" in cell.detail for row in table_of(synthetic_runs(TWO)).rows for cell in row.cells)


def test_below_three_seeds_there_is_noise_and_no_share() -> None:
    runs = [replace(run, metrics={f"{FID}_se": 0.2}) for run in synthetic_runs({"a": (10.0, 11.0)})]
    table = table_of(runs)
    assert table.rows[0].cells[3].detail == "standard error 0.200"
    assert not any("variance" in note for note in table.notes)


def test_points_have_columns_of_their_own_and_none_of_images() -> None:
    table = table_of(points({"c": (0.1, 0.2, 0.3)}))
    titles = [column.title.replace("\N{NO-BREAK SPACE}", " ").strip() for column in table.columns]
    assert titles == [
        "", "reverse KL ↓", "mean [95 %]", "each seed", "runs", "modes found ↑", "high quality ↑", "G updates", "train seconds ↓", "images/s ↑",
    ]  # fmt: skip
    assert [cell.text for cell in table.rows[1].cells[:2]] == ["real", "0.0016"]


def test_a_disagreement_of_the_extractors_has_a_note() -> None:
    order = {"a": 3.0, "b": 1.0, "c": 2.0}
    runs = [replace(run, metrics={PIXELS: order[run.variant]}) for run in synthetic_runs({**TWO, "c": (30.0, 31.0)})]
    assert any("disagree on a" in note for note in table_of(runs).notes)


def test_entries_without_a_significant_difference_share_a_letter() -> None:
    """An entry that was not tested has no letter, and the legend says that a missing common letter may mean a missing test."""
    near = {"a": (10.0, 10.2, 10.4), "b": (10.3, 10.5, 10.1), "c": (20.0, 21.0, 22.0)}
    table = table_of([*synthetic_runs(near, note="n"), *references()])
    group = [column.title for column in table.columns].index(summary.GROUP)
    assert [(row.cells[group].text, row.cells[group].mark) for row in table.rows[:3]] == [("A·", ""), ("A·", ""), ("·B", "")]
    assert {row.cells[0].mark for row in table.rows[:3]} == {"a"}
    (legend,) = [note for note in table.notes if note.startswith(summary.GROUP)]
    assert "no significant difference within a group" in legend
    assert "not mean that they are equal" in legend
    assert "no test" not in legend
    untested = table_of([*synthetic_runs(near), SyntheticRun(variant="d", fid=30.0)])
    assert [row.cells[group].text for row in untested.rows] == ["A·", "A·", "·B", "–"]
    assert any(note.startswith(summary.GROUP) and "no test" in note for note in untested.notes)


def test_no_groups_without_tests() -> None:
    for values in ({"a": TWO["a"]}, {"a": (10.0, 11.0), "b": (20.0, 21.0)}):
        table = table_of(synthetic_runs(values))
        assert summary.GROUP not in [column.title for column in table.columns]
        assert not any(note.startswith(summary.GROUP) for note in table.notes)
