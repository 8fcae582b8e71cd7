"""Configurations: paths, values, identity."""

from __future__ import annotations

import json

import pytest

from bench.config import VARIANTS, RunConfig, config_for, load_config, override, parse_setting, paths
from bench.errors import UserError

RESOLVED = {"dataset": "digits", "precision": "fp32", "device": "cpu"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("recipe.lr_g=2e-4", ("recipe.lr_g", 2e-4)),
        ("networks=dcgan", ("networks", "dcgan")),
        ("recipe.betas=0.5,0.9", ("recipe.betas", [0.5, 0.9])),
        ("recipe.betas=[0, 0.9]", ("recipe.betas", [0, 0.9])),
        ("a= b=c", ("a", "b=c")),
    ],
)
def test_parse_setting(text: str, expected: tuple[str, object]) -> None:
    assert parse_setting(text) == expected


@pytest.mark.parametrize("text", ["recipe.lr_g", "=3", ""])
def test_parse_setting_refuses(text: str) -> None:
    with pytest.raises(UserError, match="PATH=VALUE"):
        parse_setting(text)


def test_override_changes_one_number_and_nothing_else() -> None:
    before = config_for("dcgan")
    after = override(before, {"recipe.lr_g": 1e-3, "budget.images": 5})
    changed = {path for path, value in paths(after).items() if value != paths(before)[path]}
    assert changed == {"recipe.lr_g", "budget.images"}
    assert (after.recipe.lr_g, after.budget.images) == (1e-3, 5)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("recipe.lr_q", 1, r"unknown path 'recipe.lr_q' for dcgan; did you mean .*'recipe.lr_g'"),
        ("evaluation.mark", 1, "did you mean 'evaluation.marks'"),
        ("nonsense", 1, "unknown path 'nonsense'"),
        ("recipe.lr_g", -1, "recipe.lr_g: Input should be greater than 0, not -1"),
        ("recipe.lr_g", "fast", "recipe.lr_g: .*not 'fast'"),
        ("recipe.lr_g", float("nan"), "recipe.lr_g: .*finite"),
        ("recipe.lr_g", float("inf"), "recipe.lr_g: .*finite"),
        ("recipe.k", True, "recipe.k: takes no true or false; it is 1 now"),
        ("recipe.k", 0, "recipe.k: .*not 0"),
        ("recipe.k", 1.5, "recipe.k: .*not 1.5"),
        ("recipe.optimiser", "lion", "recipe.optimiser: .*'adam'.*not 'lion'"),
        ("recipe.betas", [0.5], "recipe.betas"),
        ("budget.images", 0, "budget.images"),
        ("budget.images", 10**400, "budget.images: .*less than"),
        ("precision", "fp16", "precision"),
        ("device", "tpu", "device"),
        ("seed", -1, "seed"),
        ("variant", "vanilla", "variant cannot be --set"),
    ],
)
def test_override_refuses_in_one_line(path: str, value: object, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        override(config_for("dcgan"), {path: value})
    assert "\n" not in str(caught.value)


def test_unknown_variant_names_the_nearest() -> None:
    with pytest.raises(UserError, match="unknown variant 'dcgann'; did you mean 'dcgan'"):
        config_for("dcgann")


def test_json_round_trip_keeps_the_recipe_class() -> None:
    config = config_for("wgan-gp", {"recipe.k": 3, "dataset": "digits"})
    again = load_config(config.canonical())
    assert again == config
    assert type(again.recipe) is type(VARIANTS.get("wgan-gp").recipe)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"variant": "dcgan", "extra": 1}', '{"variant": 3}'])
def test_load_config_refuses(text: str) -> None:
    with pytest.raises(UserError, match="not a run configuration"):
        load_config(text)


def fingerprint(config: RunConfig, digest: str = "d") -> str:
    return config.fingerprint(data_digest=digest)


def test_fingerprint_is_the_identity_of_training() -> None:
    base = config_for("dcgan", RESOLVED)
    assert fingerprint(base) == fingerprint(config_for("dcgan", RESOLVED))
    assert fingerprint(override(base, {"evaluation.marks": 9, "evaluation.samples": 77})) == fingerprint(base)
    others = [
        override(base, {path: value})
        for path, value in {
            "seed": 1,
            "threads": 2,
            "precision": "bf16",
            "budget.images": 7,
            "recipe.lr_d": 1e-3,
            "networks": "mlp",
        }.items()
    ]
    assert len({fingerprint(config) for config in [base, *others]}) == 7
    assert fingerprint(base, "other data") != fingerprint(base)


def test_fingerprint_follows_the_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    base = config_for("dcgan", RESOLVED)
    before = fingerprint(base)
    monkeypatch.setattr("bench.config.RESULTS_VERSION", 99)
    assert fingerprint(base) != before


def test_an_alias_is_the_same_run() -> None:
    assert fingerprint(config_for("minimax-gan", RESOLVED)) == fingerprint(config_for("vanilla", RESOLVED))


def test_fingerprint_of_something_unresolved_is_a_bug() -> None:
    with pytest.raises(ValueError, match="resolve"):
        fingerprint(config_for("dcgan"))


def test_canonical_has_every_path() -> None:
    config = config_for("dcgan")
    flat = json.loads(config.canonical())
    assert flat["recipe"]["lr_g"] == config.recipe.lr_g
    assert set(flat) == set(RunConfig.model_fields)
