"""Cohorts and their entries."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from synthetic_results import FID, SyntheticRun, points, results, synthetic_runs

from reports.cohort import Cohort, settings_of, text, version
from reports.view import view

TWO = {"a": (10.0, 11.0, 12.0), "b": (20.0, 21.0, 22.0)}


def only(runs: list[SyntheticRun]) -> Cohort:
    (cohort,) = view(results(runs)).cohorts
    return cohort


def test_points_are_told_from_images() -> None:
    plane, images = only(points({"c": (0.1,)})), only(synthetic_runs(TWO))
    assert (plane.things, plane.setting) == ("points", "ring8, 150,000 real points each, published recipes")
    assert (images.things, images.setting) == ("images", "fashion-mnist, 150,000 real images each, published recipes")


def test_points_under_another_unit_keep_it() -> None:
    runs = points({"c": (0.1,)}, **{"param:budget.images": "None", "param:budget.generator_updates": "200"})
    assert only(runs).budget == "200 G updates"


def test_noise_is_of_the_finished_runs() -> None:
    errors = {0: 0.3, 1: 0.3, 2: math.nan}
    runs = [replace(run, metrics={f"{FID}_se": errors[run.seed]}) for run in synthetic_runs({"a": TWO["a"]})]
    failed = SyntheticRun(variant="a", seed=3, status="diverged", metrics={FID: 99.0, f"{FID}_se": 9.0})
    (entry,) = only([*runs, failed]).entries
    noise = entry.noise(FID)
    assert noise is not None
    assert (noise.error, noise.share) == (pytest.approx(0.3), None)  # two measured errors are too few for a share
    assert entry.noise("quality/recall_classifier") is None


@pytest.mark.parametrize(("value", "expected"), [(None, ""), (math.nan, ""), ("x", "x"), (3, "3")])
def test_tags_as_text(value: object, expected: str) -> None:
    assert text(value) == expected


def test_unreadable_settings_are_none_and_the_unrecorded_version_is_the_first() -> None:
    assert [settings_of(value) for value in ('{"a": 1}', "not json", "[1]", "")] == [{"a": 1}, {}, {}, {}]
    assert [version(value) for value in ("2", "", math.nan)] == ["2", "1", "1"]
