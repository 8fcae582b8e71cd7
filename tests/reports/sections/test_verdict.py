"""Plain words that say what the tests say, and no more."""

from __future__ import annotations

from synthetic_results import Made, made, results

from reports.document import Table, Text
from reports.sections import verdict
from reports.view import view

THREE = {"a": (10.0, 10.2, 10.4), "b": (10.3, 10.5, 10.1), "c": (20.0, 21.0, 22.0)}


def said(runs: list[Made]) -> list[str]:
    (cohort,) = view(results(runs)).cohorts
    return verdict.sentences(cohort)


def test_the_best_the_beaten_and_the_undecided() -> None:
    assert said(made(THREE)) == [
        "Lowest median classifier-FID on fashion-mnist at 150,000 real images each: a, 10.2.",
        "a is clearly better than c; not to be told apart from b.",
        "2 of 3 pairs can be told apart at this budget; the others are no claim.",
    ]


def test_a_small_but_certain_difference_is_only_better() -> None:
    assert said(made({"a": (100.0, 100.1, 100.2), "b": (105.0, 105.1, 105.2)}))[1] == "a is better than b."


def test_too_few_seeds() -> None:
    assert said(made({"a": (10.0, 11.0), "b": (20.0, 21.0)}))[1] == "No claim about any pair: fewer than 3 seeds."


def test_one_entry() -> None:
    assert said(made({"a": THREE["a"]}))[1] == "There is one entry, so nothing to compare it with."


def test_nothing_measured() -> None:
    assert said([Made(variant=name, status="failed") for name in "ab"]) == ["No run has classifier-FID, so nothing can be compared."]


def test_a_median_that_the_test_contradicts_is_said() -> None:
    runs = made({"a": (100.0, 100.0, 100.0, 180.0, 181.0), "b": (101.0, 101.1, 101.2, 101.3, 101.4)})
    assert said(runs)[1] == "a is not to be told apart from b."


def test_the_table_lists_whom_each_beats() -> None:
    section = verdict.build(view(results(made(THREE))))
    assert section is not None
    (table,) = [block for block in section.blocks if isinstance(block, Table)]
    assert [column.title for column in table.columns] == ["", "clearly better than", "no claim against"]
    assert [[cell.text for cell in row.cells] for row in table.rows] == [["a", "c", "b"], ["b", "c", "a"], ["c", "", ""]]


def test_data_without_claims_is_said_before_the_verdict() -> None:
    section = verdict.build(view(results(made(THREE, dataset="digits", claims="false"))))
    assert section is not None
    assert section.blocks[0] == Text(text="What follows is a trial run: digits supports no claim.", tone="warning")
