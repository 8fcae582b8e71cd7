"""Plans of studies: complete plans, and one-line errors before anything is written."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import photos
import pytest
import small_study

from bench.core.errors import UserError
from bench.scheduling.suite import Entry
from studies.optuna_studies import difference
from studies.spaces import space_from
from studies.study import Plan, Study


@pytest.fixture
def huge(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register a module with a space whose grid is too large."""
    ranges = [
        {"path": "recipe.z_dim", "kind": "int", "low": 1, "high": 60_000},
        {"path": "recipe.k", "kind": "int", "low": 1, "high": 20},
    ]
    module = ModuleType("huge")
    module.SPACE = space_from({"name": "huge", "idea": "a test", "dimensions": ranges})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "huge", module)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"space": "lrk"}, "unknown space 'lrk'; did you mean 'lr-k'"),
        ({"sampler": "tpee"}, "unknown sampler 'tpee'; did you mean 'tpe'"),
        ({"pruner": "hyperband"}, "unknown pruner 'hyperband'"),
        ({"trials": 0}, "--trials takes 1 to 100,000, not 0"),
        ({"search_seeds": 0}, "--search-seeds takes 1 to 10,000, not 0"),
        ({"final_seeds": -1}, "--seeds takes 0 to 10,000, not -1"),
        ({"objectives": ("quality/fid_clasifier",)}, "did you mean 'quality/fid_classifier'"),
        ({"objectives": ("modes/found",)}, "'modes/found' is not measured on digits"),
        ({"objectives": ("quality/fid_classifier",) * 2}, "--objective takes one metric, or two different ones"),
        ({"objectives": ("quality/fid_classifier", "perf/train_seconds"), "pruner": "median"}, "--pruner median needs a single objective"),
        ({"pruner": "wilcoxon", "search_seeds": 4}, "it needs --search-seeds 5 or more, not 4"),
        ({"pruner": "median", "objectives": ("quality/coverage_classifier",)}, "which measure only quality/fid_distilled"),
        ({"pruner": "median", "settings": {"budget.images": 640, "evaluation.marks": 0}}, "evaluation.marks=0: set at least 1"),
        ({"sampler": "grid", "space": "huge:SPACE"}, "has 1,200,000 points, more than 1,000,000"),
        ({"dataset": "digit"}, "unknown dataset 'digit'; did you mean 'digits'"),
        ({"entries": (Entry(variant="dcgna"),)}, "unknown variant 'dcgna'; did you mean 'dcgan'"),
    ],
)
def test_an_invalid_study_is_one_line(change: Mapping[str, Any], words: str, uri: str, tmp_path: Path, huge: None) -> None:
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError) as error:
        small_study.planned(uri, tmp_path, replace(small_study.ONE, **change))
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_search_never_measures_more_samples_than_a_run_of_small_training_data(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path / "cache"))
    for split, n in (("train", 20), ("test", 30)):
        photos.fill(tmp_path / "p" / split, n, size=(8, 8), mode="L")
    settings = {**small_study.ONE.settings, "recipe.batch_size": 4}
    small = replace(small_study.ONE, dataset=f"folder:{tmp_path}/p", settings=settings)
    for search_samples, samples in ((25, 0), (15, 15)):
        (arm,) = small_study.planned(uri, tmp_path, replace(small, search_samples=search_samples)).arms
        assert json.loads(arm.config)["evaluation"]["samples"] == samples


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"dataset": "digits"}, "the dataset cannot be --set for a study: use --dataset"),
        ({"seed": 3}, "the seed cannot be --set for a study: a study sets its seeds itself"),
        ({"recipe.k": 2}, "recipe.k cannot be --set: the space 'lr-k' searches it"),
        ({"recipe.lr_h": 2}, "unknown path 'recipe.lr_h'"),
    ],
)
def test_invalid_settings(settings: Mapping[str, Any], words: str, uri: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        small_study.planned(uri, tmp_path, settings=settings)
    assert words in str(error.value)


def test_the_headline_is_the_default_objective(uri: str, tmp_path: Path) -> None:
    (objective,) = small_study.planned(uri, tmp_path).objectives
    assert (objective.key, objective.direction) == ("quality/fid_distilled", "lower")
    assert objective.worst > 1e6


def test_a_metric_with_direction_higher(uri: str, tmp_path: Path) -> None:
    found = small_study.planned(uri, tmp_path, replace(small_study.ONE, objectives=("quality/coverage_classifier",)))
    (objective,) = found.objectives
    assert objective.direction == "higher"
    assert objective.worst < -1e6
    assert found.arms[0].base.evaluation.metrics == ("quality/coverage_classifier",)


def test_search_seeds_and_final_seeds_never_overlap(uri: str, tmp_path: Path) -> None:
    found = small_study.planned(uri, tmp_path, replace(small_study.ONE, search_seeds=10_000, final_seeds=10_000))
    assert not set(found.search_seeds) & set(found.final_seeds)
    assert found.final_seeds[:3] == (0, 1, 2)


def test_a_trial_measures_only_its_objective_and_a_final_run_everything(uri: str, tmp_path: Path) -> None:
    found = small_study.planned(uri, tmp_path, replace(small_study.ONE, final_seeds=2))
    searched = found.arms[0].base.evaluation
    assert searched.metrics == ("quality/fid_distilled",)
    assert not searched.standard_errors
    assert found.final_evaluation["evaluation.metrics"] == []
    assert found.final_evaluation["evaluation.standard_errors"] is True


def test_other_variants_may_join(uri: str, tmp_path: Path) -> None:
    found = small_study.planned(uri, tmp_path, small_study.STUDY, only=("dcgan", "lsgan"), settings={"recipe.width": 8})
    assert [arm.variant for arm in found.arms] == ["dcgan", "lsgan"]
    assert found.arms[1].overrides["recipe.width"] == 8


def test_a_plan_travels_as_json(uri: str, tmp_path: Path) -> None:
    found = small_study.planned(uri, tmp_path, small_study.STUDY)
    assert Plan.model_validate_json(found.model_dump_json()) == found


def test_a_recipe_line_repeats_the_training(uri: str, tmp_path: Path) -> None:
    arm = small_study.planned(uri, tmp_path, small_study.STUDY).arms[1]
    line = arm.options(arm.settings({"recipe.lr_g": 1e-3, "recipe.lr_d": 2e-3, "recipe.k": 2}))
    assert "--set recipe.width=8" in line
    assert line.endswith("--set recipe.lr_g=0.001 --set recipe.lr_d=0.002 --set recipe.k=2")
    assert "evaluation" not in line


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"space": "lr-k-tied"},
            "space (lr-k, not lr-k-tied)",
        ),
        ({"objectives": ("quality/coverage_classifier",)}, "objective (quality/fid_distilled, not quality/coverage_classifier)"),
        ({"sampler": "random"}, "sampler (tpe, seed 0, not random, seed 0)"),
        ({"search_seeds": 2}, "seeds (none of these, not 1000001)"),
        ({"settings": {**small_study.STUDY.settings, "budget.images": 1280}}, "budget.images (640, not 1280)"),
    ],
)
def test_settings_that_make_a_different_study(change: Mapping[str, Any], words: str, uri: str, tmp_path: Path) -> None:
    one, two = (small_study.planned(uri, tmp_path, study) for study in (small_study.ONE, replace(small_study.ONE, **change)))
    recorded = json.loads(json.dumps(one.identity(one.arms[0])))
    assert difference(recorded, two.identity(two.arms[0])).startswith(words)


@pytest.mark.parametrize("change", [{"trials": 50}, {"final_seeds": 7}])
def test_trials_and_seeds_may_grow(change: Mapping[str, Any], uri: str, tmp_path: Path) -> None:
    def identity(study: Study) -> Any:
        found = small_study.planned(uri, tmp_path, study)
        return found.identity(found.arms[0])

    assert identity(small_study.ONE) == identity(replace(small_study.ONE, **change))
