"""Tests of configurations: paths, values, fingerprints and lineages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.core import random_streams
from bench.core.config import ADDED, VARIANTS, RunConfig, config_for, load_config, merged, override, parse_setting, paths
from bench.core.errors import UserError

RESOLVED = {"dataset": "digits", "precision": "fp32", "memory_format": "contiguous", "device": "cpu"}


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
        ("recipe.k", True, "recipe.k: does not take true or false; its current value is 1"),
        ("recipe.k", 0, "recipe.k: .*not 0"),
        ("recipe.k", 1.5, "recipe.k: .*not 1.5"),
        ("recipe.optimiser", "lion", "recipe.optimiser: .*'adam'.*not 'lion'"),
        ("recipe.betas", [0.5], "recipe.betas"),
        ("budget.images", 0, "budget.images"),
        ("budget.images", 10**400, "budget.images: .*less than"),
        ("precision", "fp16", "precision"),
        ("device", "tpu", "device"),
        ("seed", -1, "seed"),
        ("vary", "inti", "vary: unknown random stream 'inti'; did you mean 'init'"),
        ("vary", "init,,data", "vary: unknown random stream ''; there is data, init, noise"),
        ("vary", "", "vary: takes one or more of init, data, noise, .*not ''"),
        ("vary", 3, "vary: takes one or more of init, data, noise, .*not 3"),
        ("vary", True, "vary: does not take true or false"),
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
            "memory_format": "channels_last",
            "budget.images": 7,
            "recipe.lr_d": 1e-3,
            "networks": "mlp",
        }.items()
    ]
    assert len({fingerprint(config) for config in [base, *others]}) == 8
    assert fingerprint(base, "other data") != fingerprint(base)


def test_streams_that_follow_the_seed() -> None:
    base = config_for("dcgan", RESOLVED | {"seed": 3})
    assert [base.seed_of(stream) for stream in random_streams.TRAINING] == [3, 3, 3]
    one = override(base, {"vary": "init"})
    assert [one.seed_of(stream) for stream in (random_streams.INIT, random_streams.DATA, random_streams.NOISE)] == [3, 0, 0]
    assert override(base, {"vary": ["noise", "init", "noise"]}).vary == "init,noise"
    assert load_config(one.canonical()) == one


def test_fixed_streams_are_part_of_the_identity_and_the_default_is_not() -> None:
    base = config_for("dcgan", RESOLVED)
    others = [override(base, {"vary": vary}) for vary in ("init", "data", "noise", "init,data", "init,noise", "data,noise")]
    assert len({fingerprint(config) for config in [base, *others]}) == 7
    assert len({config.lineage(data_digest="d") for config in [base, *others]}) == 7
    assert fingerprint(override(base, {"vary": "noise,data,init"})) == fingerprint(base)
    assert "vary" not in base.recorded_settings()
    assert others[0].recorded_settings() == {path: value for path, value in paths(others[0]).items() if path == "vary" or path not in ADDED}


@pytest.mark.parametrize(("path", "value"), [("recipe.decay_from", 0.5), ("recipe.weight_decay", 1e-4)])
def test_a_setting_that_was_added_later_is_part_of_the_identity_only_with_another_value(path: str, value: float) -> None:
    base = config_for("dcgan", RESOLVED)
    changed = override(base, {path: value})
    assert fingerprint(changed) != fingerprint(base) == fingerprint(override(changed, {path: ADDED[path]}))
    assert path not in base.recorded_settings()
    assert changed.recorded_settings()[path] == value


def test_fingerprint_follows_the_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    base = config_for("dcgan", RESOLVED)
    before = fingerprint(base)
    monkeypatch.setattr("bench.core.config.RESULTS_VERSION", 99)
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


def test_a_budget_has_one_unit_and_setting_one_unsets_the_others() -> None:
    config = config_for("dcgan", {"budget.generator_updates": 50})
    assert (config.budget.images, str(config.budget)) == (None, "50 G updates")
    assert str(override(config, {"budget.train_seconds": 2}).budget) == "2.0 train seconds"
    assert str(override(config, {"budget.images": 1000}).budget) == "1,000 images"
    assert override(config, {"recipe.k": 2}).budget == config.budget
    assert load_config(config.canonical()) == config
    for settings in ({"budget.images": 5, "budget.generator_updates": 5}, {"budget.images": None}):
        with pytest.raises(UserError, match=r"budget: takes exactly one of images, generator_updates, train_seconds"):
            override(config, settings)


def test_later_settings_win_and_a_budget_replaces_one_in_another_unit() -> None:
    layers = ({"budget.images": 100, "recipe.k": 1}, {}, {"budget.train_seconds": 5.0, "recipe.lr_g": 1e-3}, {"recipe.k": 2})
    assert merged(*layers) == {"budget.train_seconds": 5.0, "recipe.lr_g": 1e-3, "recipe.k": 2}


def test_lineage_is_the_identity_without_the_length() -> None:
    short, long, other = (
        override(config_for("dcgan", RESOLVED), settings) for settings in ({}, {"budget.images": 200_000}, {"recipe.lr_g": 1e-3})
    )
    assert short.lineage(data_digest="d") == long.lineage(data_digest="d") != other.lineage(data_digest="d")
    assert short.fingerprint(data_digest="d") != long.fingerprint(data_digest="d")
    assert short.lineage(data_digest="d") != short.lineage(data_digest="e")


@pytest.mark.parametrize("value", ["\udcff", ["a", "\ud800"]])
def test_text_that_cannot_be_written_is_refused(value: object) -> None:
    with pytest.raises(UserError, match=r"networks: .* is not UTF-8"):
        override(config_for("dcgan"), {"networks": value})


def test_options_of_inception_need_inception(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for path, value in {"evaluation.inception_resize": "clean", "evaluation.inception_statistics": "s.npz"}.items():
        with pytest.raises(UserError, match=f"{path} needs evaluation.inception=true"):
            override(config_for("dcgan"), {path: value})
        config = override(config_for("dcgan"), {path: value, "evaluation.inception": True})
        assert load_config(config.canonical()) == config
        assert config.evaluation.how() != config_for("dcgan", {"evaluation.inception": True}).evaluation.how()
    assert config.evaluation.inception_statistics == str(tmp_path / "s.npz"), (
        "the path is not absolute: a worker in another folder would not find the file"
    )


def test_a_configuration_of_an_earlier_version_is_read() -> None:
    before = json.loads(config_for("dcgan").canonical())
    before["evaluation"] = {
        key: value for key, value in before["evaluation"].items() if key not in ("photo", "inception_resize", "inception_statistics", "cas")
    }
    assert load_config(json.dumps(before)) == config_for("dcgan")
