"""The benchmarked loops: a tutorial's loop, a bare loop and `train()` with the same networks and recipe, and a matrix product.

Each is a function from seconds to a `Lap`. The loops share networks, initial weights, batch size, optimiser, learning rates and the
non-saturating loss. They differ in what a user would write or leave out in a hand-written loop.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from bench.core.config import DATASETS, RunConfig, override
from bench.core.environment import native_bf16
from bench.core.errors import UserError
from bench.core.spec import Dataset, to_unit_range
from bench.runs.preparation import Work, prepare
from bench.training.build import assemble
from bench.training.loop import train
from bench.training.precision import Precision, forward_precision

MARK_IMAGES = 1_000  # between two evaluation points of train(), as in the suite `quick`
MOST_MARKS = 10_000  # the most evaluation points in one turn
GEMM = "gemm"
SIDES = (512, 1024, 2048)  # of square matrices. The peak is the rate of the fastest size and precision


class Lap(NamedTuple):
    """The work and duration of one turn. `done` counts real images for D, or floating point operations of the matrix product."""

    done: int
    seconds: float


Go = Callable[[float], Lap]


def loop(name: str, config: RunConfig) -> Go:
    """Build a loop by name. Raises ValueError for an unknown name."""
    match name:
        case "tutorial":
            return timed(Tutorial(config).steps(), config.recipe.batch_size)
        case "bare":
            return timed(Bare(config).steps(), config.recipe.batch_size)
        case "train":
            return harness(prepare(config))
        case "gemm":
            return products()
    raise ValueError(f"no loop {name!r}: choose tutorial, bare, train or gemm")


def timed(steps: Iterator[None], each: int) -> Go:
    """Return a function that runs steps of size `each` for a number of seconds."""

    def go(seconds: float) -> Lap:
        """Run steps until the time is over."""
        done, started = 0, time.perf_counter()
        while (passed := time.perf_counter() - started) < seconds:
            next(steps)
            done += each
        return Lap(done, passed)

    return go


def harness(work: Work) -> Go:
    """Return a function that runs `train()`, with an evaluation point every `MARK_IMAGES`."""
    trainer = work.trainer

    def go(seconds: float) -> Lap:
        """Train until the time is over, reading the progress at each evaluation point like a run. Raises UserError if it diverges."""
        images, started = trainer.images, time.perf_counter()
        marks = range(images + MARK_IMAGES, images + MOST_MARKS * MARK_IMAGES, MARK_IMAGES)
        for progress in train(trainer, marks, pause=lambda: time.perf_counter() >= started + seconds):
            if progress.diverged:
                raise UserError(f"training diverged: {progress.diverged}; omit this model")
            if time.perf_counter() >= started + seconds:
                break
        return Lap(trainer.images - images, time.perf_counter() - started)

    return go


def products() -> Go:
    """Return a function that multiplies square matrices in preallocated memory. Its rate is the processor's peak at this number of threads.

    Tries float32 and, if the processor has instructions for it, bf16. Uses the faster one, independent of the training precision.
    """
    dtypes = (torch.float32, *((torch.bfloat16,) if native_bf16(torch.device("cpu")) else ()))
    operands = {(dtype, side): [torch.rand(side, side).to(dtype) for _ in range(3)] for dtype in dtypes for side in SIDES}

    def step(kind: tuple[torch.dtype, int]) -> float:
        a, b, out = operands[kind]
        started = time.perf_counter()
        torch.mm(a, b, out=out)
        return 2 * kind[1] ** 3 / (time.perf_counter() - started)

    best = max(operands, key=lambda kind: max(step(kind) for _ in range(5)))

    def steps() -> Iterator[None]:
        while True:
            step(best)
            yield

    return timed(steps(), 2 * best[1] ** 3)


class Pictures(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """Dataset of single images that pass through PIL and transforms, like the datasets of torchvision."""

    def __init__(self, dataset: Dataset) -> None:
        from torchvision import transforms

        examples = dataset.split("train")
        self._data, self._labels = examples.data, examples.labels
        channels = self._data.shape[1]
        self._transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize([0.5] * channels, [0.5] * channels)])

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        from PIL import Image

        pixels = self._data[index].permute(1, 2, 0).squeeze(2).numpy()
        label = -1 if self._labels is None else int(self._labels[index])
        return self._transform(Image.fromarray(pixels)), label


class Tutorial:
    """Training loop in the style of tutorials.

    PIL images come through a DataLoader without workers. Training is in float32, with sigmoid, binary cross-entropy, plain Adam and `.item()`
    in each step. Fakes for D have a graph and are detached. D is not frozen in G's step. Layers and memory format are torch's.
    """

    def __init__(self, config: RunConfig) -> None:
        dataset = DATASETS.get(config.dataset)
        networks, _ = assemble(override(config, {"memory_format": "contiguous"}), dataset.spec)
        with_torchs_layers(networks)
        self.networks = networks.train()
        self.recipe = cast("Any", config.recipe)  # the recipe of a GAN
        self.batches = torch.utils.data.DataLoader(Pictures(dataset), batch_size=self.recipe.batch_size, shuffle=True, drop_last=True)

    def steps(self) -> Iterator[None]:
        """Run training steps, epoch after epoch. Yields after each step."""
        recipe = self.recipe
        generator, discriminator = parts(self.networks)
        judge = nn.Sequential(discriminator, nn.Sigmoid())
        adam_g = torch.optim.Adam(generator.parameters(), lr=recipe.lr_g, betas=recipe.betas)
        adam_d = torch.optim.Adam(judge.parameters(), lr=recipe.lr_d, betas=recipe.betas)
        criterion = nn.BCELoss()
        losses_d, losses_g = [], []
        while True:
            for real, _ in self.batches:
                ones, zeros = torch.ones(len(real), 1), torch.zeros(len(real), 1)
                adam_d.zero_grad()
                fake = generator(torch.randn(len(real), recipe.z_dim))
                loss_d = criterion(judge(real), ones) + criterion(judge(fake.detach()), zeros)
                loss_d.backward()
                adam_d.step()
                adam_g.zero_grad()
                loss_g = criterion(judge(generator(torch.randn(len(real), recipe.z_dim))), ones)
                loss_g.backward()
                adam_g.step()
                losses_d.append(loss_d.item())
                losses_g.append(loss_g.item())
                yield


class Bare:
    """Minimal training loop at the precision of the harness, with data in memory and two updates in each step."""

    def __init__(self, config: RunConfig) -> None:
        dataset = DATASETS.get(config.dataset)
        self._precision = cast("Precision", config.precision)
        self._device = torch.device(config.device)
        self.recipe = cast("Any", config.recipe)  # the recipe of a GAN
        networks, _ = assemble(config, dataset.spec)
        self.networks = networks.to(self._device).train()
        self._data = dataset.split("train").data.to(self._device)

    def steps(self) -> Iterator[None]:
        """Run training steps, epoch after epoch. Yields after each step."""
        recipe, size = self.recipe, self.recipe.batch_size
        generator, discriminator = parts(self.networks)
        coupled = any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in discriminator.modules())
        adam_g, adam_d = (
            torch.optim.Adam(side.parameters(), lr=rate, betas=recipe.betas, fused=True)
            for side, rate in ((generator, recipe.lr_g), (discriminator, recipe.lr_d))
        )
        while True:
            for rows in torch.randperm(len(self._data), device=self._device).split(size):
                if len(rows) < size:
                    break
                real = to_unit_range(self._data.index_select(0, rows))
                discriminator.requires_grad_(True)
                with forward_precision(self._precision, self._device):
                    with torch.no_grad():
                        fake = self._generate(generator)
                    if coupled:
                        logits_real, logits_fake = discriminator(real), discriminator(fake)
                    else:
                        logits_real, logits_fake = discriminator(torch.cat([real, fake.to(real.dtype)])).chunk(2)
                _update(adam_d, _cost(logits_real, 1.0) + _cost(logits_fake, 0.0))
                discriminator.requires_grad_(False)
                with forward_precision(self._precision, self._device):
                    logits_fake = discriminator(self._generate(generator))
                _update(adam_g, _cost(logits_fake, 1.0))
                yield

    def _generate(self, generator: nn.Module) -> Tensor:
        images: Tensor = generator(torch.randn(self.recipe.batch_size, self.recipe.z_dim, device=self._device))
        return images


def _cost(logits: Tensor, target: float) -> Tensor:
    return binary_cross_entropy_with_logits(logits.float(), torch.full_like(logits, target, dtype=torch.float32))


def _update(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()


def parts(networks: nn.Module) -> tuple[nn.Module, nn.Module]:
    """Return (generator, discriminator) of a GAN."""
    return networks.get_submodule("generator"), networks.get_submodule("discriminator")


def with_torchs_layers(networks: nn.Module) -> None:
    """Replace, in place, each optimised layer of this project by torch's layer with the same parameters and function."""
    for module in networks.modules():
        base = next(kind for kind in type(module).__mro__ if kind.__module__.startswith("torch.nn"))
        if base is not nn.Module and base is not type(module):
            module.__class__ = base
