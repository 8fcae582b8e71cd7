"""Build the networks (with initial weights) and the objective of a configuration, and check that they fit the data and each other."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from bench.core import environment, random_streams
from bench.core.config import DATASETS, VARIANTS, RunConfig
from bench.core.errors import UserError
from bench.core.spec import DataShape, Networks, Objective, Recipe, Variant

BYTES_A_PARAMETER = 16  # in float32: itself, its gradient, Adam's two moments


def budget_images(config: RunConfig, objective: Objective) -> int | None:
    """Return the budget in real images, or None if it is in seconds."""
    if config.budget.generator_updates is None:
        return config.budget.images
    first, generator = objective.players[0], next(player for player in objective.players if player.name == "g")
    rounds = math.ceil(config.budget.generator_updates / generator.updates)
    return rounds * first.updates * config.recipe.batch_size


def assemble(config: RunConfig, data: DataShape) -> tuple[Networks, Objective]:
    """Return the variant's networks and objective. The initial weights come from the random stream `init` of the run."""
    variant = VARIANTS.get(config.variant)
    _check_task(variant, config, data)
    _check_labels(variant, config, data)
    with random_streams.seeded(config.seed_of(random_streams.INIT), random_streams.INIT):
        networks = _built(variant, config, data)
        initialise(networks, config.recipe)  # first, because the memory order determines the random number of each weight
        if config.memory_format == "channels_last":
            _put_channels_last(networks)
        objective = variant.objective(config.recipe)
    networks.tf32 = config.tf32
    objective.check(networks)
    objective.attach(networks)
    _check_players(networks, objective)
    return networks, objective


def _check_task(variant: Variant, config: RunConfig, data: DataShape) -> None:
    if data.task not in variant.tasks:
        able = [name for name, found in DATASETS if found.spec.task in variant.tasks]
        raise UserError(
            f"{variant.name} does {' or '.join(variant.tasks)}, and the task of the dataset {config.dataset} is {data.task}; use another dataset: {', '.join(able)}"
        )


def _check_labels(variant: Variant, config: RunConfig, data: DataShape) -> None:
    if variant.needs_labels and not data.classes:
        labelled = [
            name for name, found in DATASETS if found.spec.classes and found.spec.kind == data.kind and found.spec.task == data.task
        ]
        raise UserError(
            f"{variant.name} needs labels, and the dataset {config.dataset} has none; use one with labels: {', '.join(labelled)}"
        )


def _put_channels_last(networks: Networks) -> None:
    """Store the weights of convolutions [N, C, H, W] in memory as [N, H, W, C]. Their values do not change."""
    for weight in networks.parameters():
        if weight.dim() == 4:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)


def _built(variant: Variant, config: RunConfig, data: DataShape) -> Networks:
    try:
        with _WithinMemory(config):
            return variant.build(config.networks, config.recipe, data)
    except (MemoryError, RuntimeError) as error:  # torch raises RuntimeError if the CPU has no memory left
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        raise UserError(f"the networks {config.networks!r} of {variant.name} do not fit into memory: set a smaller recipe.width") from error


class _WithinMemory(TorchDispatchMode):
    """Context manager that raises a UserError before networks fill this machine's memory. Without it, the system may kill the process.

    It adds up the numbers that torch allocates by size (`empty`, `randn`, ...), which are parameters and a few buffers.
    """

    def __init__(self, config: RunConfig) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._config, self._parameters = config, 0
        self._memory = environment.memory_gb() if config.device == "cpu" else None

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        sizes = args[0] if args and isinstance(args[0], (list, tuple)) else ()
        if self._memory is not None and sizes and all(isinstance(size, int) for size in sizes):
            self._parameters += math.prod(sizes)
            needed = self._parameters * BYTES_A_PARAMETER / 1e9
            if needed > self._memory:
                raise UserError(
                    f"the networks {self._config.networks!r} of {self._config.variant} do not fit into memory: training more than "
                    f"{self._parameters / 1e6:,.0f} million parameters takes {needed:,.0f} GB of {self._memory} GB; set a smaller recipe.width or recipe.z_dim"
                )
        return func(*args, **(kwargs or {}))


def initialise(networks: Networks, recipe: Recipe) -> None:
    """Draw initial weights by the recipe's scheme. `default` does not change torch's initial weights."""
    for module in networks.modules():
        if recipe.init == "dcgan":
            _dcgan_init(module)
        elif recipe.init == "kaiming":
            _kaiming_init(module)
        elif recipe.init == "normal":
            _normal_init(module)


def _dcgan_init(module: nn.Module) -> None:
    """Draw convolutions from N(0, .02) and batch norm from N(1, .02), and set biases to 0: Radford et al. 2015 (arXiv 1511.06434), section 3."""
    if isinstance(module, nn.modules.conv._ConvNd):
        nn.init.normal_(_weight(module), 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.modules.batchnorm._BatchNorm | nn.modules.instancenorm._InstanceNorm) and module.affine:
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def _kaiming_init(module: nn.Module) -> None:
    """Draw linear layers and convolutions with the gain for ReLU, and set biases to 0: He et al. 2015 (arXiv 1502.01852)."""
    if isinstance(module, nn.Linear | nn.modules.conv._ConvNd):
        nn.init.kaiming_normal_(_weight(module))
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _normal_init(module: nn.Module) -> None:
    """Draw linear layers and convolutions from N(0, .02), and set biases to 0, as PacGAN's code does (Lin et al. 2018, arXiv 1712.04086)."""
    if isinstance(module, nn.Linear | nn.modules.conv._ConvNd):
        nn.init.normal_(_weight(module), 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _weight(module: nn.Linear | nn.modules.conv._ConvNd) -> Tensor:
    """Return the parameter of a layer's weight, also if the layer computes its weight from it (spectral norm)."""
    parts = dict(module.named_parameters())
    return parts.get("parametrizations.weight.original", module.weight)


def _check_players(networks: Networks, objective: Objective) -> None:
    names = [player.name for player in objective.players]
    if "g" not in names or len(set(names)) != len(names):
        raise UserError(f"{type(objective).__name__} has the players {names}: give them different names, one of them 'g'")
    moved = {id(p) for player in objective.players for name in player.modules for p in networks.get_submodule(name).parameters()}
    orphans = [name for name, parameter in networks.named_parameters() if id(parameter) not in moved]
    if orphans:
        raise UserError(
            f"{type(objective).__name__} needs a player that trains {orphans[0]}"
            + (f" and {len(orphans) - 1} more" if len(orphans) > 1 else "")
        )
