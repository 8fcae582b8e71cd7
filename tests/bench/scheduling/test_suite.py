"""Suites as tables of runs."""

from __future__ import annotations

import pytest

from bench.core.config import VARIANTS
from bench.core.errors import UserError
from bench.scheduling.suite import CONTROLLED, SUITES, Entry, Suite, plan
from variants.recipe import GanRecipe

PAIR = Suite(
    name="pair",
    idea="two",
    entries=(Entry(variant="dcgan", settings={"recipe.width": 16}, note="narrow"), Entry(variant="minimax-gan")),
    settings={"budget.images": 1000, "recipe.width": 8},
)

DIVIDED = Suite(
    name="divided",
    idea="an entry for one data set, one for another, one for both",
    entries=(
        Entry(variant="dcgan", datasets=("stacked-digits",)),
        Entry(variant="ns-gan", datasets=("digits",)),
        Entry(variant="lsgan"),
    ),
    datasets=("digits", "stacked-digits"),
    seeds=(0,),
)


def test_every_variant_has_a_run_before_any_has_two() -> None:
    runs = plan(PAIR)
    assert [(run.config.variant, run.config.seed) for run in runs] == [
        ("dcgan", 0), ("vanilla", 0), ("dcgan", 1), ("vanilla", 1), ("dcgan", 2), ("vanilla", 2),
    ]  # fmt: skip


def test_settings_of_the_user_override_those_of_the_entry_and_the_suite() -> None:
    dcgan, vanilla = plan(PAIR, seeds=1)
    assert (dcgan.config.recipe.width, vanilla.config.recipe.width) == (16, 8)
    assert all(run.config.recipe.width == 4 for run in plan(PAIR, seeds=1, settings={"recipe.width": 4}))
    assert dcgan.overrides == {"budget.images": 1000, "recipe.width": 16}
    assert dcgan.note.endswith("narrow")


def test_choices_compose() -> None:
    (run,) = plan(PAIR, only="dc*", seeds=1, dataset="digits", settings={"recipe.k": 2})
    assert (run.config.variant, run.config.dataset, run.config.recipe.k) == ("dcgan", "digits", 2)
    assert {run.config.variant for run in plan(SUITES.get("smoke"), only="ls*, dcgan,nothing", seeds=1)} == {"lsgan", "dcgan"}


def test_the_catalogue_has_every_variant_for_images() -> None:
    points = {"gan-2d", "pacgan2", "pacgan3", "pacgan4"}
    generating = {name for name, variant in VARIANTS if "generation" in variant.tasks}
    assert sorted(entry.variant for entry in SUITES.get("catalogue").entries) == sorted(generating - points)


def test_the_suite_on_seeds_has_each_stream_alone_and_all_together() -> None:
    runs = plan(SUITES.get("seed-variance"), seeds=1)
    varied = {name: [run.config.vary for run in runs if run.config.variant == name] for name in {run.config.variant for run in runs}}
    assert len(varied) == 4
    assert all(found == ["init", "data", "noise", "init,data,noise"] for found in varied.values())


def test_settings_that_make_entries_equal_plan_them_once() -> None:
    runs = plan(SUITES.get("seed-variance"), seeds=2, settings={"vary": "init"})
    assert len(runs) == 2 * 4
    assert [run.config.seed for run in runs] == [0] * 4 + [1] * 4


def test_an_entry_runs_on_its_datasets_only() -> None:
    def chosen(**choice: str) -> list[tuple[str, str]]:
        return [(run.config.dataset, run.config.variant) for run in plan(DIVIDED, **choice)]  # type: ignore[arg-type]

    assert chosen() == [("digits", "ns-gan"), ("digits", "lsgan"), ("stacked-digits", "dcgan"), ("stacked-digits", "lsgan")]
    assert chosen(dataset="stacked-digits") == [("stacked-digits", "dcgan"), ("stacked-digits", "lsgan")]
    assert chosen(dataset="fashion-mnist") == [("fashion-mnist", "lsgan")], "another dataset must get only the entries for all datasets"
    assert chosen(only="*s*gan", dataset="digits") == [("digits", "ns-gan"), ("digits", "lsgan")]


def test_a_dataset_without_a_selected_entry_is_refused_with_the_nearest() -> None:
    message = "the suite 'divided' has no variant that matches 'dcgan' for 'stacked-digit'; did you mean 'stacked-digits'?"
    with pytest.raises(UserError) as caught:
        plan(DIVIDED, only="dcgan", dataset="stacked-digit")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"only": "dcgn"}, "no variant of the suite 'pair' matches 'dcgn'; did you mean 'dcgan'"),
        ({"seeds": 0}, "--seeds takes 1 to 10,000, not 0"),
        ({"settings": {"recipe.lr": 1}}, "unknown path 'recipe.lr'"),
        ({"settings": {"seed": 5}}, "--set cannot change the seed: use --seed, or --seeds for a suite"),
        ({"settings": {"dataset": "digits"}}, "--set cannot change the dataset: use --dataset"),
    ],
)
def test_bad_choices(choice: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        plan(PAIR, **choice)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", SUITES.names())
def test_built_in_suites_can_be_planned(name: str) -> None:
    suite = SUITES.get(name)
    runs = plan(suite)
    assert len(runs) == len(suite.seeds) * sum(entry.fits(dataset) for entry in suite.entries for dataset in suite.datasets)
    assert all(set(entry.datasets or ()) <= set(suite.datasets) for entry in suite.entries), "an entry names a dataset outside the suite"
    for dataset in suite.datasets:
        of_it = {(str(run.config.budget), run.config.evaluation) for run in runs if run.config.dataset == dataset}
        assert len(of_it) == 1, "the runs on one dataset differ in their budgets or evaluations"


def test_quick_is_as_described() -> None:
    suite = SUITES.get("quick")
    assert len(suite.entries) == 8
    assert suite.seeds == (0, 1, 2)
    for run in plan(suite):
        assert run.config.budget.images == 100_000
        assert run.config.recipe.width == (16 if run.config.networks == "dcgan" else 0)
        faster = run.config.recipe.lr_g != VARIANTS.get(run.config.variant).recipe.lr_g
        assert faster == run.config.variant.startswith("wgan")
        assert faster == ("instead of the published" in run.note)


def test_in_losses_only_the_loss_and_its_regulariser_differ() -> None:
    suite = SUITES.get("losses")
    assert suite.track == CONTROLLED
    configs = [run.config for run in plan(suite, seeds=1)]
    own = {"loss", "gp", "clip", "real_label"}
    shared = [{path: value for path, value in config.recipe.model_dump().items() if path not in own} for config in configs]
    assert all(recipe == shared[0] for recipe in shared)
    assert {config.networks for config in configs} == {"dcgan"}
    assert len({config.recipe.model_dump_json(include=own) for config in configs}) == len(configs)
    assert not any("published" in run.note for run in plan(suite, seeds=1))


def test_standard_is_as_published() -> None:
    runs = plan(SUITES.get("standard"))
    assert {run.config.seed for run in runs} == {0, 1, 2, 3, 4}
    for run in runs:
        assert run.config.recipe == VARIANTS.get(run.config.variant).recipe
        assert (run.config.budget.images, run.config.evaluation.marks, run.config.evaluation.best) == (6_000_000, 19, True)


def test_modes_is_small_and_compares_packed_with_unpacked() -> None:
    runs = plan(SUITES.get("modes"))
    by_dataset = {
        run.config.dataset: {other.config.variant for other in runs if other.config.dataset == run.config.dataset} for run in runs
    }
    points = {"wgan-gp", "pacgan2", "gan-2d", "ns-gan"}
    assert by_dataset == {"stacked-fashion": {"pacdcgan2", "dcgan"}, "ring8": points, "grid25": points}
    assert {run.config.seed for run in runs} == {0, 1, 2}
    for run in runs:
        on_points = run.config.dataset != "stacked-fashion"
        assert run.config.networks == ("mlp-2d" if on_points else "dcgan")
        assert run.config.recipe.width == (32 if on_points else 16)
        assert on_points == ("learning rates of" in run.note)


def test_pacgan_is_as_published() -> None:
    runs = plan(SUITES.get("pacgan"))
    assert {run.config.seed for run in runs} == set(range(10))
    assert len(runs) == 10 * 3 * 4
    for run in runs:
        recipe = run.config.recipe
        assert isinstance(recipe, GanRecipe)
        if run.config.dataset == "stacked-mnist":
            assert (run.config.networks, recipe.z_distribution, recipe.init, recipe.z_dim) == ("dcgan-deep", "uniform", "normal", 100)
            assert (recipe.lr_g, recipe.lr_d, recipe.betas, recipe.batch_size) == (2e-4, 2e-4, (0.5, 0.999), 64 * recipe.pack)
            assert run.config.budget.generator_updates == 50 * 128_000 // 64
        else:
            assert recipe == VARIANTS.get(run.config.variant).recipe
            assert run.config.budget.generator_updates == 400 * 100_000 // 100
    packs = {(run.config.dataset, run.config.recipe.model_dump()["pack"]) for run in runs}
    assert packs == {(dataset, pack) for dataset in ("ring8", "grid25", "stacked-mnist") for pack in (1, 2, 3, 4)}
