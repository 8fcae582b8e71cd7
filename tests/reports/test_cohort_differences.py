"""Sentences that explain separate tables: one for each kind of difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from synthetic_results import FID, SyntheticRun, points, results, synthetic_runs

from reports.build import build
from reports.cohort import Cohort
from reports.cohort_differences import MOST, chosen_differences, measurement_differences
from reports.html import html
from reports.markdown import markdown
from reports.view import view

TWO = {"a": (10.0, 11.0, 12.0), "b": (20.0, 21.0, 22.0)}
# The words that each sentence contains.
DATA = ("fashion-mnist", "mnist", "data")
BUDGET = ("fashion-mnist", "budget", "150,000 real images; 300,000 real images")
TRACK = ("fashion-mnist", "controlled: one network, only the loss differs; published recipes")
VARY = ("fashion-mnist", "seeds")
VERSION = ("results version",)
PROTOCOL = ("classifier-FID", "protocol")


def other(**columns: Any) -> list[SyntheticRun]:
    """Return the same runs with these columns."""
    return [replace(run, columns={"run_id": f"o-{run.run_id}", **columns}) for run in synthetic_runs(TWO)]


def by_another_protocol(runs: list[SyntheticRun]) -> list[SyntheticRun]:
    """Return the same runs with another evaluation protocol for FID only."""
    return [replace(run, protocol="p1", columns={**run.columns, "run_id": f"p-{run.run_id}"}) for run in runs]


def cohorts(*runs: list[SyntheticRun]) -> tuple[Cohort, ...]:
    return view(results([run for part in runs for run in part], curves=False)).cohorts


def names(sentences: Sequence[str], expected: Sequence[Sequence[str]]) -> bool:
    """Return whether there is one sentence for each difference, in this order and with its words."""
    pairs = zip(sentences, expected, strict=False)
    return len(sentences) == len(expected) and all(word in sentence for sentence, words in pairs for word in words)


@pytest.mark.parametrize(
    ("apart", "words"),
    [
        (other(dataset="mnist"), DATA),
        (other(**{"param:budget.images": "300000"}), BUDGET),
        (other(track="controlled"), TRACK),
        (other(**{"param:vary": "init"}), VARY),
    ],
)
def test_what_was_chosen_differently_is_named_once(apart: list[SyntheticRun], words: tuple[str, ...]) -> None:
    found = cohorts(synthetic_runs(TWO), apart)
    assert len(found) == 2
    assert names(chosen_differences(found), [words])
    assert measurement_differences(found) == []
    (sentence,) = chosen_differences(found)
    document = build(results([*synthetic_runs(TWO), *apart], curves=False), title="t")
    assert document.warnings == ()
    assert html(document).count(sentence) == 1
    text = markdown(document).text.replace("\\", "")
    assert text.index(sentence) < text.index("## Summary")


def test_what_changed_is_a_warning() -> None:
    version = cohorts(synthetic_runs(TWO), other(results_version="2"))
    assert chosen_differences(version) == []
    assert names(measurement_differences(version), [VERSION])

    found = results([*synthetic_runs({"a": TWO["a"]}), *by_another_protocol(synthetic_runs({"b": TWO["b"]}))], curves=False)
    hashes = [value if key == FID else "same" for key, value in zip(found.protocols["key"], found.protocols["protocol"], strict=True)]
    protocol = view(replace(found, protocols=found.protocols.assign(protocol=hashes))).cohorts
    assert len(protocol) == 2
    assert chosen_differences(protocol) == []
    assert names(measurement_differences(protocol), [PROTOCOL])


def test_one_table_needs_no_reason() -> None:
    assert (
        chosen_differences(cohorts(synthetic_runs(TWO))),
        measurement_differences(cohorts(synthetic_runs(TWO))),
        chosen_differences(()),
        measurement_differences(()),
    ) == ([], [], [], [])


def test_budgets_that_differ_with_the_data_need_no_sentence_of_their_own() -> None:
    found = cohorts(synthetic_runs(TWO), points({"c": (0.1, 0.2)}, **{"param:budget.images": "300000"}))
    assert names(chosen_differences(found), [("fashion-mnist", "ring8", "data")])


def test_every_difference_has_its_sentence() -> None:
    several = (other(**{"param:budget.images": "300000"}), other(track="controlled"), other(results_version="2"))
    found = cohorts(
        synthetic_runs(TWO),
        other(dataset="mnist"),
        *([replace(run, columns={**run.columns, "run_id": f"x{i}-{run.run_id}"}) for run in part] for i, part in enumerate(several)),
    )
    assert names(chosen_differences(found), [DATA, BUDGET, TRACK])
    assert names(measurement_differences(found), [VERSION])


def test_many_names_are_cut_and_hostile_ones_are_text() -> None:
    found = cohorts(
        *(
            [replace(run, columns={"run_id": f"{i}-{run.run_id}", "dataset": f"d{i:02}\u202e"}) for run in synthetic_runs({"a": (1.0,)})]
            for i in range(12)
        )
    )
    (sentence,) = chosen_differences(found)
    assert "d00\u202e, d01\u202e" in sentence
    assert f"d{MOST - 2:02}\u202e and {12 - MOST + 1} more" in sentence
    assert f"d{MOST - 1:02}" not in sentence


def test_what_was_not_recorded_is_called_that() -> None:
    bare = [replace(run, columns={**run.columns, "run_id": f"b-{run.run_id}"}) for run in other(dataset="", track="")]
    found = cohorts(synthetic_runs(TWO), bare, other(track=""))
    assert len(found) == 3
    data, track = chosen_differences(found)
    assert "unrecorded data and fashion-mnist" in data
    assert "published recipes; unrecorded" in track or "unrecorded; published recipes" in track


def test_runs_of_unknown_protocols_are_named() -> None:
    found = results(synthetic_runs(TWO), curves=False)
    lost = found.protocols["run_id"].isin(["b-0", "b-2"])
    (sentence,) = measurement_differences(view(replace(found, protocols=found.protocols[~lost])).cohorts)
    assert "b seed 0 and b seed 2" in sentence
    assert "unknown" in sentence
