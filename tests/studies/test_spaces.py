"""Search spaces: the errors of invalid spaces, and points of a space as settings for the command line."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import optuna
import pytest

from bench.core.config import config_for, override, parse_setting
from bench.core.errors import UserError
from studies.spaces import SPACES, Dimension, Space, as_options, defaults_of, fitting, settings_of, space_from
from studies.study import STUDIES

LR = {"path": "recipe.lr_g", "kind": "log", "low": 1e-5, "high": 1e-2}
BETAS = {"path": "recipe.betas", "kind": "choice", "choices": [[0.5, 0.999], [0.0, 0.9]]}


def space(*dimensions: dict[str, Any]) -> Space:
    return space_from({"name": "mine", "idea": "a test", "dimensions": list(dimensions)})


@pytest.mark.parametrize(
    ("dimension", "words"),
    [
        ({**LR, "low": 1e-2, "high": 1e-5}, "recipe.lr_g: the range from 0.01 to 1e-05 is empty: low must be less than high"),
        ({**LR, "low": 0.0}, "a range on a log scale must start above 0, not at 0"),
        ({**LR, "high": None}, "a range needs low and high, and no choices"),
        ({"path": "recipe.k", "kind": "int", "low": 1, "high": 2.5}, "a range of integers must end at integers, not at 1 and 2.5"),
        ({"path": "recipe.k", "kind": "choice", "choices": [1]}, "a choice needs at least two choices"),
        ({"path": "recipe.k", "kind": "choice", "choices": [1, 1]}, "a choice occurs twice"),
        ({**LR, "kind": "cubic"}, "Input should be 'log', 'linear', 'int' or 'choice'"),
        ({**LR, "high": math.inf}, "Input should be a finite number"),
        ({**LR, "path": "seed"}, "seed: only the recipe and the networks can be searched"),
        ({**LR, "path": "budget.images"}, "budget.images: only the recipe and the networks can be searched"),
        (
            {"path": "recipe.k", "kind": "choice", "choices": [{"a": 1}, 2]},
            "a choice must be a number, a string, true, false, or a list of these",
        ),
        ({"path": "recipe.k", "kind": "choice", "choices": [math.nan, 2]}, "a choice must be a number"),
    ],
)
def test_an_impossible_range_is_one_line(dimension: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError) as error:
        space(dimension)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_space_sets_something_and_nothing_twice() -> None:
    with pytest.raises(UserError, match="has no dimension"):
        space()
    with pytest.raises(UserError, match=r"sets 'recipe\.lr_d' twice"):
        space({**LR, "path": "recipe.lr_d"}, {**LR, "also": ["recipe.lr_d"]})


def test_paths_that_overlap_are_refused() -> None:
    betas = {"path": "recipe.betas.0", "kind": "linear", "low": 0, "high": 0.9}
    with pytest.raises(UserError, match=r"sets 'recipe\.betas\.0' twice"):
        space(betas, BETAS)
    with pytest.raises(UserError, match=r"sets 'recipe\.lr_g' of vanilla twice"):
        fitting(space(LR, {**LR, "variants": "van*"}), [config_for("vanilla")])


def test_fractions_of_a_whole_number_are_found_at_once() -> None:
    with pytest.raises(UserError, match=r"mine', dcgan: recipe\.batch_size: Input should be a valid integer"):
        fitting(space({"path": "recipe.batch_size", "kind": "log", "low": 16, "high": 256}), [config_for("dcgan")])


def test_a_large_range_takes_no_memory() -> None:
    (dimension,) = space({"path": "recipe.z_dim", "kind": "int", "low": 1, "high": 2e9}).dimensions
    assert (dimension.probes(), dimension.size) == ([1, 2_000_000_000], 2_000_000_000)


def test_a_list_matches_for_every_notation_of_its_numbers() -> None:
    (dimension,) = space({"path": "recipe.betas", "kind": "choice", "choices": [[0, 0.9], [0.5, 0.999]]}).dimensions
    assert dimension.holds((0.0, 0.9))
    assert not dimension.holds((0.1, 0.9))


def test_the_error_names_the_wrong_path() -> None:
    with pytest.raises(UserError, match=r"no variant has 'recipe\.lr_h'"):
        fitting(space({**LR, "also": ["recipe.lr_h"]}), [config_for("dcgan")])


def test_a_path_that_no_variant_has_fails_with_the_nearest() -> None:
    configs = [config_for("dcgan"), config_for("wgan-gp")]
    with pytest.raises(UserError, match=r"no variant has 'recipe\.lr_h' .*did you mean 'recipe\.lr_g' or 'recipe\.lr_d'"):
        fitting(space({**LR, "path": "recipe.lr_h"}), configs)
    with pytest.raises(UserError, match=r"no variant has 'recipe\.clip' \(looked in 'wgan'\)"):
        fitting(space(LR, {"path": "recipe.clip", "kind": "log", "low": 0.001, "high": 1, "variants": "wgan"}), configs)


def test_a_dimension_may_apply_to_some_variants() -> None:
    configs = [config_for("wgan"), config_for("wgan-gp")]
    clip = {"path": "recipe.clip", "kind": "log", "low": 0.001, "high": 1, "variants": "wgan"}
    one, two = fitting(space(LR, clip), configs)
    assert [[dimension.path for dimension in found] for found in (one, two)] == [["recipe.lr_g", "recipe.clip"], ["recipe.lr_g"]]


def test_a_default_outside_is_refused_because_it_is_the_first_trial() -> None:
    with pytest.raises(UserError, match=r"excludes the default of wgan, .*: recipe\.lr_g=5e-05"):
        fitting(space({**LR, "low": 1e-4}), [config_for("wgan")])


def test_an_end_that_the_configuration_refuses() -> None:
    with pytest.raises(UserError, match=r"the space 'mine', dcgan: recipe\.real_label"):
        fitting(space({"path": "recipe.real_label", "kind": "linear", "low": 0.5, "high": 1.5}), [config_for("dcgan")])


def test_a_point_as_settings() -> None:
    config = config_for("dcgan")
    dimensions = space({**LR, "also": ["recipe.lr_d"]}, {"path": "recipe.betas.0", "kind": "linear", "low": 0, "high": 0.9}).dimensions
    settings = settings_of(config, dimensions, {"recipe.lr_g": 0.001, "recipe.betas.0": 0.25})
    assert settings == {"recipe.lr_g": 0.001, "recipe.lr_d": 0.001, "recipe.betas": [0.25, 0.999]}
    changed = override(config, settings).recipe
    assert (changed.lr_g, changed.betas) == (0.001, (0.25, 0.999))
    assert defaults_of(config, dimensions) == {"recipe.lr_g": 2e-4, "recipe.betas.0": 0.5}


def test_recommended_settings_can_be_typed_again() -> None:
    settings = {"recipe.lr_g": 0.0004123, "recipe.k": 3, "recipe.betas": [0.0, 0.9], "recipe.norm_d": "none"}
    words = as_options(settings)
    assert words == "--set recipe.lr_g=0.0004123 --set recipe.k=3 --set recipe.betas=0,0.9 --set recipe.norm_d=none"
    parsed = dict(parse_setting(part) for part in words.split() if part != "--set")
    config = config_for("wgan-gp")
    assert override(config, parsed) == override(config, settings)


def test_values_that_optuna_draws_lie_inside_and_are_short() -> None:
    dimensions = space(LR, BETAS, {"path": "recipe.k", "kind": "int", "low": 1, "high": 5}).dimensions
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(50):
        trial = study.ask()
        values = {dimension.path: dimension.suggest(trial) for dimension in dimensions}
        assert all(dimension.holds(values[dimension.path]) for dimension in dimensions)
        assert values["recipe.lr_g"] == float(f"{values['recipe.lr_g']:.4g}")
        assert {dimension.path: dimension.value(trial.params[dimension.path]) for dimension in dimensions} == values
        study.tell(trial, 0.0)


def test_a_grid_has_the_ends_of_each_range() -> None:
    dimensions = space(LR, BETAS, {"path": "recipe.k", "kind": "int", "low": 1, "high": 3}).dimensions
    assert dimensions[0].grid() == [1e-5, 1e-4, 1e-3, 1e-2]
    assert dimensions[1].grid() == [[0.5, 0.999], [0.0, 0.9]]
    assert dimensions[2].grid() == [1, 2, 3]


@pytest.mark.parametrize("name", ["lr-k", "lr-k-tied"])
def test_registered_spaces_fit_every_core_variant(name: str) -> None:
    core = ("mlp-dropout", "wgan-gp", "dcgan", "lsgan", "vanilla", "ns-gan", "wgan", "label-smoothed")
    for dimensions in fitting(SPACES.get(name), [config_for(variant) for variant in core]):
        assert dimensions[-1].path == "recipe.k"


def test_the_wide_space_is_that_of_the_paper() -> None:
    variants = ("vanilla", "ns-gan", "dcgan", "lsgan", "wgan", "wgan-gp", "dragan", "began")
    found = dict(zip(variants, fitting(SPACES.get("lucic-wide"), [config_for(name) for name in variants]), strict=True))
    keys = {name: [dimension.path for dimension in dimensions] for name, dimensions in found.items()}
    shared = ["recipe.lr_g", "recipe.betas.0", "recipe.k"]
    assert keys["ns-gan"] == keys["vanilla"] == keys["lsgan"] == keys["dcgan"] == [*shared, "recipe.norm_d"]
    assert keys["wgan"] == [*shared, "recipe.norm_d", "recipe.clip"]
    assert keys["wgan-gp"] == [*shared, "recipe.gp"]
    assert keys["dragan"] == [*shared, "recipe.dragan"]
    assert keys["began"] == [*shared, "recipe.norm_d", "recipe.lambda_k", "recipe.gamma"]
    assert found["wgan"][0].also == ("recipe.lr_d",)


def test_a_dimension_in_words() -> None:
    assert Dimension(**LR, also=("recipe.lr_d",)).words == "recipe.lr_g = recipe.lr_d 1e-05 to 0.01 (log)"


def test_the_space_in_the_documentation_is_valid() -> None:
    page = (Path(__file__).parents[2] / "docs" / "studies.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    module: dict[str, Any] = {}
    exec(program, module)
    one, two = fitting(module["MINE"], [config_for("dcgan"), config_for("wgan-gp")])
    assert [dimension.path for dimension in two] == ["recipe.batch_size", "recipe.lr_g", "recipe.gp", "recipe.betas.0"]
    assert len(one) == 3


@pytest.mark.parametrize("name", ["lucic-fashion", "lucic-fashion-small"])
def test_the_reproduction_has_the_published_network_starts_and_budget(name: str) -> None:
    study = STUDIES.get(name)
    assert [entry.variant for entry in study.entries] == ["vanilla", "ns-gan", "lsgan-sigmoid", "wgan", "wgan-gp", "dragan", "began"]
    configs = [config_for(entry.variant, dict(entry.settings)) for entry in study.entries]
    for config in configs:
        recipe = config.recipe
        assert (config.networks, recipe.z_dim, recipe.z_distribution, recipe.batch_size, recipe.optimiser) == (
            "lucic",
            64,
            "uniform",
            64,
            "adam",
        )
        assert recipe.lr_g == recipe.lr_d  # type: ignore[attr-defined]
    fitting(SPACES.get(study.space), configs)  # raises if a default is outside of the space
    assert (study.dataset, study.sampler, study.pruner) == ("fashion-mnist", "random", "none")


def test_the_small_reproduction_has_the_stated_fractions() -> None:
    whole, small = STUDIES.get("lucic-fashion"), STUDIES.get("lucic-fashion-small")
    assert whole.settings["budget.images"] == 15_625 * 64 == 20 * small.settings["budget.images"]
    assert (whole.trials, whole.final_seeds) == (100, 50) == (10 * small.trials, 10 * small.final_seeds)
    assert all(entry.settings["recipe.width"] == 16 for entry in small.entries)
