"""Studies from complete, old, odd and damaged records."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_study import DEFAULT, HUGE, LR_G, K, diverged, pruned, study, trial, tuning, usual

from bench.core.text import harmless
from reports.study import DimensionImportance, SearchDimension, SearchedStudy
from reports.study_reader import read_study


def known(recorded: dict[str, Any]) -> SearchedStudy:
    found = read_study(recorded)
    assert found is not None
    return found


def one(*trials: dict[str, Any], **over: Any) -> SearchedStudy:
    return known(study({"dcgan": tuning(trials)}, **over))


def test_a_whole_study_is_read() -> None:
    found = known(usual(14))
    assert (found.name, found.dataset, found.budget, found.space) == ("lr-k-quick", "fashion-mnist", "30,000 images", "lr-k")
    assert (found.objective.key, found.sampler, found.pruner, found.trials_wanted) == ("quality/fid_classifier", "random", "median", 14)
    assert (found.search_seeds, found.final_seeds) == ((1000,), (0, 1, 2))
    assert [(dimension.name, dimension.kind) for dimension in found.dimensions] == [("lr_g", "log"), ("lr_d", "log"), ("k", "int")]
    assert [own.variant for own in found.tunings] == ["dcgan", "ns-gan", "wgan-gp"]
    dcgan, default, _ = found.tunings
    assert len(dcgan.trials) == 14
    assert dcgan.best is not None
    assert default.best is not None
    assert (dcgan.role("0"), dcgan.role(str(dcgan.best.number)), dcgan.role("99"), default.role("0")) == ("default", "tuned", "", "both")
    assert dcgan.importance[0] == DimensionImportance(path=LR_G, mean=0.61, sd=0.08)


def test_a_dimension_is_of_the_variants_that_its_globs_mean() -> None:
    dimension = SearchDimension(path="recipe.norm_d", kind="choice", variants="dcgan, lsgan*,wgan")
    assert [name for name in ("dcgan", "lsgan", "lsgan-sigmoid", "wgan", "wgan-gp", "gan") if dimension.of(name)] == [
        "dcgan", "lsgan", "lsgan-sigmoid", "wgan",
    ]  # fmt: skip


def test_a_huge_value_is_never_a_number() -> None:
    lost = trial(1, values=[HUGE], reason="too few classes to measure")
    found = one(trial(0), lost, diverged(2, DEFAULT), trial(3, values=[-HUGE], diverged=True)).tunings[0]
    assert [own.state for own in found.trials] == ["complete", "diverged", "diverged", "diverged"]
    assert [own.reason for own in found.trials] == ["", "too few classes to measure", "loss_d is infinite", ""]
    assert not any(own.values for own in found.trials[1:])


def test_a_complete_trial_without_a_value_failed() -> None:
    assert [own.state for own in one(trial(0, values=None), trial(1, values=[1.0, 2.0])).tunings[0].trials] == ["failed", "failed"]


def test_outcomes_of_trials() -> None:
    found = one(trial(0, values=[40.0]), pruned(1, DEFAULT), diverged(2, DEFAULT), trial(3, state="running", values=None))
    complete, stopped, lost, running = found.tunings[0].trials
    assert found.outcome(complete) == 40.0
    assert found.outcome(stopped) == stopped.points[-1][1]
    assert math.isnan(found.outcome(lost))
    assert math.isnan(found.outcome(running))


def test_a_trial_stopped_between_seeds_has_the_mean_so_far() -> None:
    stopped = trial(1, state="pruned", values=None, intermediate=[[0, 40.0], [1, 50.0], [2, HUGE]])
    found = one(trial(0), stopped, pruner="wilcoxon")
    assert found.outcome(found.tunings[0].trials[1]) == 45.0


def damaged(recorded: Any, path: tuple[str | int, ...], value: object) -> Any:
    """Replace the value at a path in a study, and return the study."""
    inner = recorded
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return recorded


TRIAL = ("variants", "dcgan", "trials", 1)


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("format",), 2, "2"),
        (("format",), None, "None"),
        (("objectives",), [], "objectives"),
        (("objectives", 0, "key"), "quality/unheard_of", "quality/unheard_of"),
        (("objectives", 0, "direction"), "higher", "quality/fid_classifier"),
        (("objectives",), [{"key": "train/loss_d", "direction": "none"}], "objectives.0.direction"),
        (("objectives",), "quality/fid_classifier", "objectives"),
        (("objectives",), [{"key": "quality/fid_classifier", "direction": "lower"}] * 3, "objectives"),
        (("variants",), {}, "variants"),
        (("variants",), None, "variants"),
        (("variants", "dcgan"), None, "variants.dcgan"),
        (("space",), [], "space"),
        (("space", "dimensions", 0, "kind"), "cubic", "space.dimensions.0.kind"),
        (TRIAL, 3, "variants.dcgan.trials.1"),
        ((*TRIAL, "number"), -1, "variants.dcgan.trials.1.number"),
        ((*TRIAL, "number"), True, "variants.dcgan.trials.1.number"),
        ((*TRIAL, "state"), "dreaming", "'dreaming'"),
        ((*TRIAL, "values"), [math.nan], "variants.dcgan.trials.1.values.0"),
        ((*TRIAL, "values"), [10**400], "variants.dcgan.trials.1.values.0"),
        ((*TRIAL, "intermediate"), [[1, 2, 3]], "variants.dcgan.trials.1.intermediate.0"),
        (("variants", "dcgan", "best"), {"number": "1"}, "variants.dcgan.best.number"),
        (("variants", "dcgan", "best", "set"), None, "variants.dcgan.best.set"),
    ],
)
def test_a_damaged_study_is_left_out_with_one_line_that_names_the_place(
    path: tuple[str | int, ...], value: object, named: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert read_study(damaged(usual(5), path, value)) is None
    (record,) = caplog.records
    message = record.getMessage()
    assert "'lr-k-quick'" in message
    assert named in message
    assert "\n" not in message


def test_a_file_of_an_earlier_version_lacks_fields() -> None:
    """A file that has only the fields of all versions of format 1 is readable."""
    bare = {"number": 0, "state": "complete", "values": [40.0]}
    objectives = [{"key": "quality/fid_classifier", "direction": "lower"}]
    found = known({"format": 1, "study": "old", "objectives": objectives, "variants": {"dcgan": {"trials": [bare]}, "wgan": {}}})
    assert [(own.variant, len(own.trials), own.best) for own in found.tunings] == [("dcgan", 1, None), ("wgan", 0, None)]
    assert found.outcome(found.tunings[0].trials[0]) == 40.0
    assert (found.dimensions, found.search_seeds, found.dataset) == ((), (), "")


def test_of_two_trials_with_one_number_the_last_counts() -> None:
    assert [own.values for own in one(trial(0, values=[1.0]), trial(0, values=[2.0])).tunings[0].trials] == [(2.0,)]


@pytest.mark.parametrize("best", [None, {"number": 77}, {"number": 2}])
def test_a_best_that_is_no_complete_trial_is_none(best: object) -> None:
    found = known(study({"dcgan": tuning([trial(0), trial(1), diverged(2, DEFAULT)], best=best)}))
    assert found.tunings[0].best is None


@pytest.mark.parametrize(
    ("line", "options"),
    [
        ("--set recipe.k=2 --set 'a.b=[1, 2]'", ("recipe.k=2", "a.b=[1, 2]")),
        ("--set recipe.k=2; rm -rf ~", ("recipe.k=1",)),
        ("--set recipe.k=2 --out /etc", ("recipe.k=1",)),
        ("--set 'recipe.k=2", ("recipe.k=1",)),
        ("--set", ("recipe.k=1",)),
        ("", ("recipe.k=1",)),
    ],
)
def test_a_recipe_is_settings_and_nothing_else(line: str, options: tuple[str, ...]) -> None:
    found = known(study({"dcgan": tuning([trial(0)], best={"number": 0, "set": line, "settings": {K: 1}})}))
    assert found.tunings[0].best is not None
    assert found.tunings[0].best.options == options


def test_long_texts_are_shortened_to_a_line_and_names_are_harmless() -> None:
    nasty = "a\u202eb\nc\x00" + "x" * 5000
    recorded = usual(3, idea=nasty, dataset=nasty, budget=nasty, sampler=nasty, study=nasty)
    recorded["variants"] = {nasty: tuning([trial(0, reason=nasty, params={nasty: nasty}, values=[1.0])])}
    found = known(recorded)
    assert harmless(found.name) == found.name
    assert harmless(found.tunings[0].name) == found.tunings[0].name
    assert all("\n" not in text for text in (found.idea, found.dataset, found.tunings[0].trials[0].reason))
    assert len(found.idea) <= 400
    assert found.tag == nasty


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(place=st.lists(st.integers(0, 30), max_size=6), value=JSON)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_anything_anywhere_is_read_or_left_out(place: list[int], value: Any) -> None:
    """A study with any value in any place is read, or parts of it are omitted, without an error."""
    recorded: Any = usual(4)
    parent, key = {"all": recorded}, "all"
    for step in place:
        inner: Any = parent[key]  # type: ignore[index]
        if not isinstance(inner, (dict, list)) or not inner:
            break
        parent, key = inner, (list(inner)[step % len(inner)] if isinstance(inner, dict) else step % len(inner))  # type: ignore[assignment]
    parent[key] = value  # type: ignore[index]
    if isinstance(recorded, dict):
        read_study(recorded)


def test_settings_that_are_no_numbers_are_none() -> None:
    odd = {**trial(0), "params": {K: 10**400, LR_G: math.inf, "a": True, "b": [1]}}
    assert one(odd).tunings[0].trials[0].params == {K: None, LR_G: None, "a": True, "b": "[1]"}
