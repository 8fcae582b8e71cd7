"""A configuration made ready: the networks and the objective it names, checked against the data and against each other."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench import environment, seeding
from bench.config import DATASETS, VARIANTS, RunConfig
from bench.errors import UserError
from bench.evaluate import Evaluator, check_samples, evaluator_for
from bench.feed import check_batch_size
from bench.spec import Dataset, DataShape, Networks, Objective, Recipe, Variant
from bench.train import Trainer

BYTES_A_PARAMETER = 16  # in float32: itself, its gradient, Adam's two moments


@dataclass(frozen=True, kw_only=True)
class Work:
    """A run made ready."""

    config: RunConfig
    fingerprint: str
    dataset: Dataset
    trainer: Trainer
    evaluator: Evaluator | None  # None where the data has no metrics
    device: torch.device

    @property
    def protocol(self) -> str:
        """The hash of how everything is measured; empty where nothing is."""
        return self.evaluator.protocol_hash if self.evaluator else ""

    @property
    def curve_protocol(self) -> str:
        """The hash of how the marks are measured: what a run that goes on must share with its beginning."""
        return curve_protocol(self.evaluator)


def curve_protocol(evaluator: Evaluator | None) -> str:
    """One hash of the protocols of what is measured at marks; empty where nothing is."""
    return evaluator.curve_protocol if evaluator else ""


def prepare(config: RunConfig) -> Work:
    """Everything that a run needs, built and checked; writes nothing."""
    device = environment.device_of(config.device)
    dataset = DATASETS.get(config.dataset)
    networks, objective = assemble(config, dataset.spec)
    if config.precision == "auto":
        raise ValueError("resolve the configuration before running it")
    trainer = Trainer(
        networks=networks, objective=objective, recipe=config.recipe, data=dataset.split("train"), seed=config.seed, device=device,
        precision=config.precision, budget_images=budget_images(config, objective), budget_seconds=config.budget.train_seconds,
    )  # fmt: skip
    if config.compile:  # now that averages of the weights, which only sample, are made
        for part in networks.children():
            part.compile()
    return Work(
        config=config,
        fingerprint=config.fingerprint(data_digest=dataset.digest()),
        dataset=dataset,
        trainer=trainer,
        evaluator=evaluator_for(dataset, config.evaluation),
        device=device,
    )


def budget_images(config: RunConfig, objective: Objective) -> int | None:
    """The budget in real images; None where it is in seconds."""
    if config.budget.generator_updates is None:
        return config.budget.images
    first, generator = objective.players[0], next(player for player in objective.players if player.name == "g")
    rounds = math.ceil(config.budget.generator_updates / generator.updates)
    return rounds * first.updates * config.recipe.batch_size


def assemble(config: RunConfig, data: DataShape) -> tuple[Networks, Objective]:
    """The variant's networks, their first weights drawn from the run's own stream, and its objective."""
    variant = VARIANTS.get(config.variant)
    _check_labels(variant, config, data)
    with seeding.seeded(config.seed, seeding.INIT):
        networks = _built(variant, config, data)
        initialise(networks, config.recipe)  # before their order in memory changes, which is that of the random numbers
        if config.memory_format == "channels_last":
            _put_channels_last(networks)
        objective = variant.objective(config.recipe)
    networks.tf32 = config.tf32
    objective.check(networks)
    _check_players(networks, objective)
    return networks, objective


def _check_labels(variant: Variant, config: RunConfig, data: DataShape) -> None:
    if variant.needs_labels and not data.classes:
        labelled = [name for name, found in DATASETS if found.spec.classes and found.spec.kind == data.kind]
        raise UserError(f"{variant.name} needs labels, and {config.dataset} has none; labelled are {', '.join(labelled)}")


def _put_channels_last(networks: Networks) -> None:
    """Have weights of convolutions of images [N, C, H, W] lie in memory as [N, H, W, C]; what they are does not change."""
    for weight in networks.parameters():
        if weight.dim() == 4:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)


def _built(variant: Variant, config: RunConfig, data: DataShape) -> Networks:
    try:
        return variant.build(config.networks, config.recipe, data)
    except (MemoryError, RuntimeError) as error:  # torch raises the latter where the system gives it no memory
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        raise UserError(f"the networks {config.networks!r} of {variant.name} do not fit into memory: set a smaller recipe.width") from error


def _check_size(variant: Variant, config: RunConfig, data: DataShape) -> None:
    """Refuse networks that would fill this machine's memory, before they do: a system may end the process instead of saying no."""
    try:
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            parameters = sum(parameter.numel() for parameter in variant.build(config.networks, config.recipe, data).parameters())
    except (NotImplementedError, RuntimeError):
        return  # a module that cannot be made without its data; making it for good will tell
    needed, there = parameters * BYTES_A_PARAMETER / 1e9, environment.memory_gb()
    if there is not None and needed > there:
        raise UserError(
            f"the networks {config.networks!r} of {variant.name} do not fit into memory: training their {parameters / 1e6:,.0f} million parameters "
            f"takes {needed:,.0f} GB of {there} GB; set a smaller recipe.width or recipe.z_dim"
        )


def check(config: RunConfig) -> None:
    """Build what a run would need and throw it away: a UserError for what cannot be. Trains and writes nothing."""
    dataset, variant = DATASETS.get(config.dataset), VARIANTS.get(config.variant)
    _check_labels(variant, config, dataset.spec)
    if config.device == "cpu":
        _check_size(variant, config, dataset.spec)
    assemble(config, dataset.spec)
    train = len(dataset.split("train"))
    check_batch_size(config.recipe.batch_size, train)
    bound = config.recipe.bound_to_budget()
    if bound and config.budget.train_seconds is not None:
        raise UserError(
            f"budget.train_seconds: recipe.{bound} depends on the length of the run; give budget.images or budget.generator_updates"
        )
    evaluator = evaluator_for(dataset, config.evaluation)
    if evaluator is not None:
        check_samples(evaluator)


def initialise(networks: Networks, recipe: Recipe) -> None:
    """Draw first weights by the recipe's scheme; `default` leaves torch's own."""
    for module in networks.modules():
        if recipe.init == "dcgan":
            _dcgan_init(module)
        elif recipe.init == "kaiming":
            _kaiming_init(module)
        elif recipe.init == "normal":
            _normal_init(module)


def _dcgan_init(module: nn.Module) -> None:
    """Radford et al. 2015 (arXiv 1511.06434, section 3): convolutions N(0, .02), batch norm N(1, .02), biases of both 0."""
    if isinstance(module, nn.modules.conv._ConvNd):
        nn.init.normal_(_weight(module), 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.modules.batchnorm._BatchNorm) and module.affine:
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def _kaiming_init(module: nn.Module) -> None:
    """He et al. 2015 (arXiv 1502.01852): linear layers and convolutions normal with gain for ReLU, biases 0."""
    if isinstance(module, nn.Linear | nn.modules.conv._ConvNd):
        nn.init.kaiming_normal_(_weight(module))
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _normal_init(module: nn.Module) -> None:
    """As PacGAN's code has it (Lin et al. 2018, arXiv 1712.04086): linear layers and convolutions N(0, .02), biases 0."""
    if isinstance(module, nn.Linear | nn.modules.conv._ConvNd):
        nn.init.normal_(_weight(module), 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _weight(module: nn.Linear | nn.modules.conv._ConvNd) -> Tensor:
    """The parameter behind a weight, which may be computed from it (spectral norm)."""
    parts = dict(module.named_parameters())
    return parts.get("parametrizations.weight.original", module.weight)


def _check_players(networks: Networks, objective: Objective) -> None:
    names = [player.name for player in objective.players]
    if "g" not in names or len(set(names)) != len(names):
        raise UserError(f"{type(objective).__name__} must have players with names of their own, one of them 'g', not {names}")
    moved = {id(p) for player in objective.players for name in player.modules for p in networks.get_submodule(name).parameters()}
    orphans = [name for name, parameter in networks.named_parameters() if id(parameter) not in moved]
    if orphans:
        raise UserError(
            f"no player of {type(objective).__name__} moves {orphans[0]}" + (f" and {len(orphans) - 1} more" if len(orphans) > 1 else "")
        )
