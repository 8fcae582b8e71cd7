"""Why tables stand apart, in words: a sentence for each kind of difference, once, and none where there is none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from synthetic_results import FID, Made, made, points, results

from reports.build import build
from reports.cohort import Cohort
from reports.cohort_differences import MOST, chosen_differences, measurement_differences
from reports.html import html
from reports.markdown import markdown
from reports.view import view

TWO = {"a": (10.0, 11.0, 12.0), "b": (20.0, 21.0, 22.0)}
DATA = "fashion-mnist and mnist are different data, so they stand in separate tables."
BUDGET = "Runs on fashion-mnist had different budgets (150,000 real images; 300,000 real images), so they stand in separate tables."
TRACK = "Runs on fashion-mnist held different things equal (controlled: one network, only the loss differs; published recipes), so they stand in separate tables."
VERSION = "The harness changed its results between these runs. Numbers of different results versions stand in separate tables."
PROTOCOL = "classifier-FID was measured by more than one protocol. Such numbers cannot be compared, so they stand in separate tables."


def other(**columns: Any) -> list[Made]:
    """The same runs again, with these columns."""
    return [replace(run, columns={"run_id": f"o-{run.run_id}", **columns}) for run in made(TWO)]


def by_another_protocol(runs: list[Made]) -> list[Made]:
    """The same runs again, their FID by another protocol and everything else by the same."""
    return [replace(run, protocol="p1", columns={**run.columns, "run_id": f"p-{run.run_id}"}) for run in runs]


def cohorts(*runs: list[Made]) -> tuple[Cohort, ...]:
    return view(results([run for part in runs for run in part], curves=False)).cohorts


@pytest.mark.parametrize(
    ("apart", "sentence"),
    [
        (other(dataset="mnist"), DATA),
        (other(**{"param:budget.images": "300000"}), BUDGET),
        (other(track="controlled"), TRACK),
    ],
)
def test_what_was_chosen_differently_is_said_once(apart: list[Made], sentence: str) -> None:
    found = cohorts(made(TWO), apart)
    assert len(found) == 2
    assert (chosen_differences(found), measurement_differences(found)) == ([sentence], [])
    document = build(results([*made(TWO), *apart], curves=False), title="t")
    assert document.warnings == ()
    assert html(document).count(sentence) == 1
    assert markdown(document).text.replace("\\", "").index(sentence) < markdown(document).text.index("Lowest median")


def test_what_changed_is_a_warning() -> None:
    version = cohorts(made(TWO), other(results_version="2"))
    assert (chosen_differences(version), measurement_differences(version)) == ([], [VERSION])

    found = results([*made({"a": TWO["a"]}), *by_another_protocol(made({"b": TWO["b"]}))], curves=False)
    hashes = [value if key == FID else "same" for key, value in zip(found.protocols["key"], found.protocols["protocol"], strict=True)]
    protocol = view(replace(found, protocols=found.protocols.assign(protocol=hashes))).cohorts
    assert len(protocol) == 2
    assert (chosen_differences(protocol), measurement_differences(protocol)) == ([], [PROTOCOL])


def test_one_table_needs_no_reason() -> None:
    assert (
        chosen_differences(cohorts(made(TWO))),
        measurement_differences(cohorts(made(TWO))),
        chosen_differences(()),
        measurement_differences(()),
    ) == ([], [], [], [])


def test_budgets_that_differ_with_the_data_are_said_by_the_data_alone() -> None:
    found = cohorts(made(TWO), points({"c": (0.1, 0.2)}, **{"param:budget.images": "300000"}))
    assert chosen_differences(found) == ["fashion-mnist and ring8 are different data, so they stand in separate tables."]


def test_every_difference_has_its_sentence() -> None:
    several = (other(**{"param:budget.images": "300000"}), other(track="controlled"), other(results_version="2"))
    found = cohorts(
        made(TWO),
        other(dataset="mnist"),
        *([replace(run, columns={**run.columns, "run_id": f"x{i}-{run.run_id}"}) for run in part] for i, part in enumerate(several)),
    )
    assert (chosen_differences(found), measurement_differences(found)) == ([DATA, BUDGET, TRACK], [VERSION])


def test_many_names_are_cut_and_hostile_ones_are_text() -> None:
    found = cohorts(
        *(
            [replace(run, columns={"run_id": f"{i}-{run.run_id}", "dataset": f"d{i:02}\u202e"}) for run in made({"a": (1.0,)})]
            for i in range(12)
        )
    )
    (sentence,) = chosen_differences(found)
    assert sentence.startswith("d00\ufffd, d01\ufffd")
    assert sentence.endswith(f"d{MOST - 2:02}\ufffd and {12 - MOST + 1} more are different data, so they stand in separate tables.")


def test_what_was_not_recorded_is_called_that() -> None:
    bare = [replace(run, columns={**run.columns, "run_id": f"b-{run.run_id}"}) for run in other(dataset="", track="")]
    found = cohorts(made(TWO), bare, other(track=""))
    assert len(found) == 3
    assert chosen_differences(found)[0].startswith("unrecorded data and fashion-mnist are different data")
    assert (
        "(published recipes; unrecorded)" in chosen_differences(found)[1]
        or "(unrecorded; published recipes)" in chosen_differences(found)[1]
    )


def test_runs_of_unknown_protocols_are_named() -> None:
    found = results(made(TWO), curves=False)
    lost = found.protocols["run_id"].isin(["b-0", "b-2"])
    (said,) = measurement_differences(view(replace(found, protocols=found.protocols[~lost])).cohorts)
    assert "b seed 0 and b seed 2 were measured is unknown" in said
    assert "separate tables" in said
