"""Contract tests of every registered variant, on every kind of data that it supports."""

from __future__ import annotations

import copy
import math
import re
from contextlib import suppress

import pytest
import torch

from bench.core.config import DATASETS, NETWORKS, VARIANTS, config_for
from bench.core.errors import UserError
from bench.core.spec import DataShape, Examples, Kind, Recipe
from bench.evaluation.sampling import is_random, sample
from bench.tasks.catalog import task_of
from bench.training.build import assemble
from bench.training.loop import Trainer, train
from variants.networks.backbone import Backbone
from variants.networks.denoiser import Denoiser
from variants.recipe import GanRecipe


def fitting(name: str, kind: Kind) -> list[str]:
    """Return the registered networks that a variant can use to generate this kind of data."""
    own = NETWORKS.get(VARIANTS.get(name).networks)
    coding = not isinstance(VARIANTS.get(name).recipe, GanRecipe)
    alike = [(other, found) for other, found in NETWORKS if type(found) is type(own) and isinstance(found, Backbone | Denoiser)]
    return [other for other, found in alike if kind in found.kinds and not (coding and isinstance(found, Backbone) and not found.decodes)]


def is_of_images(recipe: Recipe) -> bool:
    """Return whether the recipe has a setting that is only for images."""
    return any(getattr(recipe, field, 0) for field in ("augment", "consistency")) or getattr(recipe, "likelihood", "") == "bernoulli"


def mechanism(name: str) -> tuple[object, ...]:
    """Return what may fail on some networks: objective, builder, packing, and second derivatives."""
    variant = VARIANTS.get(name)
    recipe = variant.recipe.model_dump()
    return variant.objective, variant.build, recipe.get("pack", 1) > 1, bool(recipe.get("gp"))


MECHANISMS = list({mechanism(name): name for name in reversed(VARIANTS.names())}.values())  # the first variant of each mechanism


TWINS = ("digits", "digits-x2", "digits-edges", "digits-unpaired", "digits-domains")  # small data of every task


def places(name: str) -> list[str]:
    """Return the small datasets on which a variant trains."""
    variant, found = VARIANTS.get(name), []
    for twin in TWINS:
        with suppress(UserError):
            assemble(config_for(name, {"dataset": twin, "recipe.width": 8}), DATASETS.get(twin).spec)
            found.append(twin)
    assert found, variant
    return found


EVERY_VARIANT = pytest.mark.parametrize("name", VARIANTS.names())
GENERATING = [name for name in VARIANTS.names() if "generation" in VARIANTS.get(name).tasks]
TRANSLATING = [(name, place) for name in VARIANTS.names() if name not in GENERATING for place in places(name)]
EVERY_MECHANISM = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in MECHANISMS else pytest.mark.slow) for name in VARIANTS.names()]
)
OF_IMAGES = [name for name in GENERATING if is_of_images(VARIANTS.get(name).recipe)]
ON_POINTS = pytest.mark.parametrize("name", [name for name in GENERATING if fitting(name, "points") and name not in OF_IMAGES])
# These losses are differences of means (hinge within its margins). A constant in the critic's output cancels.
DIFFERENCES = ("wasserstein", "hinge", "relativistic", "relativistic-average")
LAST_BIAS = re.compile(r"\bhead(\.\d+)?\.bias$")
DIGITS = DataShape(kind="image", shape=(1, 8, 8), classes=10)
CPU = torch.device("cpu")


IMAGES = Examples(
    data=torch.randint(0, 256, (512, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)), labels=torch.arange(512) % 10
)


def on_networks(name: str, networks: str) -> dict[str, object]:
    """Return the settings of a variant on these networks. Growing is off on networks other than its default."""
    whole = {"recipe.grow": 0.0} if getattr(VARIANTS.get(name).recipe, "grow", 0) and networks != VARIANTS.get(name).networks else {}
    return {"networks": networks, **whole}


def trainer(name: str, place: str = "", *, seed: int = 0, points: bool = False, networks: str = "", **settings: object) -> Trainer:
    place = place or ("ring8" if points else "" if name in GENERATING else places(name)[0])
    small = {} if name in GENERATING else {"recipe.batch_size": 16}
    config = config_for(name, {"recipe.width": 8, "seed": seed, **small, **(on_networks(name, networks) if networks else {}), **settings})
    built, objective = assemble(config, DATASETS.get(place).spec if place else DIGITS)
    return Trainer(
        networks=built, objective=objective, recipe=config.recipe, data=DATASETS.get(place).split("train") if place else IMAGES, seed=seed,
        budget_images=2 * config.recipe.batch_size * getattr(config.recipe, "k", 1), device=CPU, precision="fp32",
    )  # fmt: skip


@EVERY_VARIANT
def test_entry_is_complete(name: str) -> None:
    variant = VARIANTS.get(name)
    assert variant.name == name
    assert variant.idea
    assert variant.paper
    assert variant.networks in NETWORKS.names()
    assert name == name.lower()


@EVERY_VARIANT
def test_trains_and_every_weight_moves(name: str) -> None:
    trained = trainer(name)
    before = {key: value.clone() for key, value in trained.networks.named_parameters()}
    last = list(train(trained, []))[-1]
    assert last.diverged is None
    still = [key for key, value in trained.networks.named_parameters() if torch.equal(value, before[key])]
    cancels = getattr(trained.recipe, "loss", "") in DIFFERENCES
    assert not [key for key in still if not (cancels and LAST_BIAS.search(key))]
    assert all(math.isfinite(value) for value in last.scalars.values())


@pytest.mark.parametrize("name", GENERATING)
def test_samples_have_the_data_shape_and_do_not_depend_on_the_batch(name: str) -> None:
    networks = trainer(name).networks
    images = sample(networks, n=20, seed=3, batch_size=20, device=CPU)
    assert images.shape == (20, 1, 8, 8)
    assert images.dtype == torch.uint8
    difference = images.int() - sample(networks, n=20, seed=3, batch_size=7, device=CPU).int()
    assert difference.abs().max() <= 1  # a rounding error may change the last grey level
    assert not torch.equal(images, sample(networks, n=20, seed=4, batch_size=20, device=CPU))


@pytest.mark.parametrize(("name", "place"), TRANSLATING)
def test_translations_have_the_shape_of_the_target_and_do_not_depend_on_the_batch(name: str, place: str) -> None:
    trained, data = trainer(name, place), DATASETS.get(place)
    assert list(train(trained, []))[-1].diverged is None
    request = task_of(data.spec).ask(data, 20, classes=trained.networks.classes, seed=3, stream="evaluation")

    def translated(batch_size: int, *, seed: int = 3) -> torch.Tensor:
        return sample(trained.networks, n=20, seed=seed, batch_size=batch_size, device=CPU, labels=request.labels, given=request.given)

    whole = translated(20)
    assert whole.shape == (20, *data.spec.shape)
    assert (whole.int() - translated(7).int()).abs().max() <= 1
    assert torch.equal(whole, translated(20, seed=4)) is not is_random(trained.networks)
    back = trained.networks.reverse()
    if back is not None:
        returned = sample(back, n=20, seed=3, batch_size=20, device=CPU, labels=request.given_labels, given=whole)
        assert returned.shape == (20, *data.spec.given)


@pytest.mark.parametrize(("name", "place"), TRANSLATING)
def test_a_translation_resumes_bit_for_bit(name: str, place: str) -> None:
    whole = trainer(name, place)
    for _ in range(4):
        whole.round()
    part, resumed = trainer(name, place), trainer(name, place)
    for _ in range(2):
        part.round()
    resumed.load_state_dict(copy.deepcopy(part.state_dict()))
    for _ in range(2):
        resumed.round()
    states = [{**each.networks.state_dict(), **each.objective.state_dict()} for each in (whole, resumed)]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())


@pytest.mark.parametrize(("name", "place"), [(name, place) for name in VARIANTS.names() for place in TWINS])
def test_a_task_that_does_not_fit_is_refused_in_one_line(name: str, place: str) -> None:
    if place in places(name):
        return
    with pytest.raises(UserError) as refused:
        assemble(config_for(name, {"dataset": place}), DATASETS.get(place).spec)
    assert "\n" not in str(refused.value)


@EVERY_MECHANISM
def test_same_seed_same_weights(name: str) -> None:
    one, two, other = trainer(name), trainer(name), trainer(name, seed=1)
    for each in (one, two, other):
        list(train(each, []))
    states = [torch.cat([value.flatten().double() for value in each.networks.state_dict().values()]) for each in (one, two, other)]
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


@ON_POINTS
def test_trains_on_points_and_samples_them(name: str) -> None:
    trained = trainer(name, points=True, networks=fitting(name, "points")[0])
    before = {key: value.clone() for key, value in trained.networks.named_parameters()}
    last = list(train(trained, []))[-1]
    assert last.diverged is None
    still = [key for key, value in trained.networks.named_parameters() if torch.equal(value, before[key])]
    assert not [key for key in still if not (getattr(trained.recipe, "loss", "") in DIFFERENCES and LAST_BIAS.search(key))]
    points = sample(trained.networks, n=20, seed=3, batch_size=7, device=CPU, points=True)
    assert (points.shape, points.dtype) == ((20, 2), torch.float32)
    torch.testing.assert_close(points, sample(trained.networks, n=20, seed=3, batch_size=20, device=CPU, points=True))


@pytest.mark.parametrize("name", [name for name in VARIANTS.names() if VARIANTS.get(name).networks == "mlp-2d"])
def test_networks_of_points_train_on_points(name: str) -> None:
    assert list(train(trainer(name, points=True), []))[-1].diverged is None


SLOW_UNLESS_FIRST = [
    pytest.param(name, networks, marks=() if name in MECHANISMS and networks == fitting(name, "image")[0] else pytest.mark.slow)
    for name in GENERATING
    for networks in fitting(name, "image")
]


@pytest.mark.parametrize(("name", "networks"), SLOW_UNLESS_FIRST)
def test_any_loss_on_any_networks(name: str, networks: str) -> None:
    norm = {"recipe.norm_d": "none"} if getattr(VARIANTS.get(name).recipe, "gp", 0) else {}
    trained = trainer(name, networks=networks, **norm)
    assert list(train(trained, []))[-1].diverged is None


SHAPES = list({(found.spec.kind, found.spec.shape): found.spec for _, found in DATASETS if found.spec.task == "generation"}.values())


@pytest.mark.parametrize("name", GENERATING)
def test_builds_for_every_shape_of_data_or_says_that_it_is_of_images(name: str) -> None:
    for spec in SHAPES:
        config = config_for(name, {"recipe.width": 8} | (on_networks(name, fitting(name, "points")[0]) if spec.kind == "points" else {}))
        if spec.kind == "points" and name in OF_IMAGES:
            with pytest.raises(UserError, match="only on images, and this data is points"):
                assemble(config, spec)
        else:
            assemble(config, spec)


def test_recipes_are_as_published() -> None:
    def numbers(name: str) -> GanRecipe:
        recipe = VARIANTS.get(name).recipe
        assert isinstance(recipe, GanRecipe)
        return recipe

    assert (numbers("vanilla").loss, numbers("ns-gan").loss) == ("minimax", "non-saturating")
    assert VARIANTS.get("vanilla").networks == VARIANTS.get("ns-gan").networks == "mlp"
    smoothed = numbers("label-smoothed")
    assert (smoothed.real_label, smoothed.z_dim, smoothed.lr_g, smoothed.lr_d, smoothed.init) == (0.9, 64, 1e-4, 1e-4, "kaiming")
    assert (numbers("mlp-dropout").batch_size, numbers("dcgan").batch_size) == (60, 60)
    wgan, gp = numbers("wgan"), numbers("wgan-gp")
    assert (wgan.optimiser, wgan.lr_d, wgan.clip, wgan.k, wgan.norm_d) == ("rmsprop", 5e-5, 0.01, 5, "published")
    assert (gp.optimiser, gp.lr_d, gp.betas, gp.gp, gp.k, gp.norm_d) == ("adam", 1e-4, (0.0, 0.9), 10.0, 5, "none")
    assert VARIANTS.canonical("minimax-gan") == "vanilla"


def test_architectures_are_as_published_or_as_their_notes_say() -> None:
    def numbers(name: str) -> GanRecipe:
        recipe = VARIANTS.get(name).recipe
        assert isinstance(recipe, GanRecipe)
        return recipe

    lucic, resnet, progan, style = map(numbers, ("lucic-gan", "sngan-resnet", "progan", "stylegan-small"))
    assert (lucic.loss, lucic.z_dim, lucic.z_distribution, lucic.batch_size, lucic.k) == ("non-saturating", 64, "uniform", 64, 1)
    assert (resnet.loss, resnet.norm_d, resnet.k, resnet.lr_g, resnet.lr_d, resnet.betas) == (
        "hinge",
        "spectral",
        5,
        2e-4,
        2e-4,
        (0.0, 0.9),
    )
    assert (progan.loss, progan.gp, progan.drift, progan.k, progan.batch_size) == ("wasserstein", 10.0, 0.001, 1, 16)
    assert (progan.lr_g, progan.lr_d, progan.betas, progan.minibatch_std) == (1e-3, 1e-3, (0.0, 0.99), True)
    assert progan.ema_half_life_images == pytest.approx(16 * math.log(0.5) / math.log(0.999), rel=0.01)
    assert (style.loss, style.penalty_every, style.lr_g, style.betas, style.batch_size) == ("non-saturating", 16, 2e-3, (0.0, 0.99), 32)
    assert (numbers("r3gan").loss, numbers("r3gan").norm_d, numbers("r3gan").betas) == ("relativistic", "none", (0.0, 0.99))
    assert numbers("r3gan").r1 == numbers("r3gan").r2 > 0


@pytest.mark.parametrize(("name", "pack"), [("gan-2d", 1), ("pacgan2", 2), ("pacgan3", 3), ("pacgan4", 4)])
def test_pacgan_is_as_published(name: str, pack: int) -> None:
    variant = VARIANTS.get(name)
    assert variant.recipe == GanRecipe(
        loss="non-saturating", pack=pack, batch_size=100 * pack, z_dim=2, lr_g=1e-4, lr_d=1e-4, betas=(0.8, 0.999), init="normal"
    )
    assert variant.networks == "mlp-2d"


@pytest.mark.parametrize("pack", [2, 3, 4])
def test_pacdcgan_differs_from_dcgan_in_the_pack_alone(pack: int) -> None:
    plain, packed = VARIANTS.get("dcgan"), VARIANTS.get(f"pacdcgan{pack}")
    assert packed.recipe == plain.recipe.model_copy(update={"pack": pack, "batch_size": 60 * pack})
    assert packed.networks == plain.networks
