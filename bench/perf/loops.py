"""The contenders: the same networks and numbers in a loop as tutorials write it, in a bare loop, and in the harness; and a matrix product.

Each is a function from seconds to a `Lap`. The loops share networks, first weights, batch size, optimiser and learning rates; the loss is
the non-saturating one. What differs is what a user would get, or save, by writing the loop.
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

MARK_IMAGES = 1_000  # between two marks of train(), as in the suite `quick`
MOST_MARKS = 10_000  # in a turn
GEMM = "gemm"
SIDES = (512, 1024, 2048)  # of square matrices; the fastest kind is taken


class Lap(NamedTuple):
    """What was done in one turn: real images shown to D (of the matrix product: floating point operations), and the seconds that took."""

    done: int
    seconds: float


Go = Callable[[float], Lap]


def loop(name: str, config: RunConfig) -> Go:
    """A contender, made ready."""
    match name:
        case "tutorial":
            return timed(Tutorial(config).steps(), config.recipe.batch_size)
        case "bare":
            return timed(Bare(config).steps(), config.recipe.batch_size)
        case "train":
            return harness(prepare(config))
        case "gemm":
            return products()
    raise ValueError(f"no loop {name!r}")


def timed(steps: Iterator[None], each: int) -> Go:
    """Steps that do so much each, until the time is over."""

    def go(seconds: float) -> Lap:
        """Steps until the time is over."""
        done, started = 0, time.perf_counter()
        while (passed := time.perf_counter() - started) < seconds:
            next(steps)
            done += each
        return Lap(done, passed)

    return go


def harness(work: Work) -> Go:
    """`train()` itself, with a mark every `MARK_IMAGES`."""
    trainer = work.trainer

    def go(seconds: float) -> Lap:
        """Rounds until the time is over; a mark is read as a run would."""
        images, started = trainer.images, time.perf_counter()
        marks = range(images + MARK_IMAGES, images + MOST_MARKS * MARK_IMAGES, MARK_IMAGES)
        for progress in train(trainer, marks, pause=lambda: time.perf_counter() >= started + seconds):
            if progress.diverged:
                raise UserError(f"training diverged: {progress.diverged}")
            if time.perf_counter() >= started + seconds:
                break
        return Lap(trainer.images - images, time.perf_counter() - started)

    return go


def products() -> Go:
    """Square matrix products in memory that is allocated before: the peak of the processor, with the threads it has here.

    In float32 and, where the processor has instructions for it, in bf16: the quicker one counts, whatever precision training has.
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
    """Images one by one, as torchvision's own datasets give them: a PIL image through transforms."""

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
    """The loop of the articles that this suite's core variants come from.

    PIL images through a DataLoader without workers, float32, sigmoid and binary cross-entropy, plain Adam, fakes for D cut off from a graph
    that was made, D not frozen in G's step, `.item()` each step. Layers that are our own are torch's here, in torch's memory format.
    """

    def __init__(self, config: RunConfig) -> None:
        dataset = DATASETS.get(config.dataset)
        networks, _ = assemble(override(config, {"memory_format": "contiguous"}), dataset.spec)
        with_torchs_layers(networks)
        self.networks = networks.train()
        self.recipe = cast("Any", config.recipe)  # a GAN's
        self.batches = torch.utils.data.DataLoader(Pictures(dataset), batch_size=self.recipe.batch_size, shuffle=True, drop_last=True)

    def steps(self) -> Iterator[None]:
        """One step after the other, epoch after epoch."""
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
    """The least that training these networks takes at the harness' precision: data in memory, two updates, nothing else."""

    def __init__(self, config: RunConfig) -> None:
        dataset = DATASETS.get(config.dataset)
        self._precision = cast("Precision", config.precision)
        self._device = torch.device(config.device)
        self.recipe = cast("Any", config.recipe)  # a GAN's
        networks, _ = assemble(config, dataset.spec)
        self.networks = networks.to(self._device).train()
        self._data = dataset.split("train").data.to(self._device)

    def steps(self) -> Iterator[None]:
        """One step after the other, epoch after epoch."""
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
                        fake = self._made(generator)
                    if coupled:
                        seen_real, seen_fake = discriminator(real), discriminator(fake)
                    else:
                        seen_real, seen_fake = discriminator(torch.cat([real, fake.to(real.dtype)])).chunk(2)
                _update(adam_d, _cost(seen_real, 1.0) + _cost(seen_fake, 0.0))
                discriminator.requires_grad_(False)
                with forward_precision(self._precision, self._device):
                    seen_fake = discriminator(self._made(generator))
                _update(adam_g, _cost(seen_fake, 1.0))
                yield

    def _made(self, generator: nn.Module) -> Tensor:
        images: Tensor = generator(torch.randn(self.recipe.batch_size, self.recipe.z_dim, device=self._device))
        return images


def _cost(logits: Tensor, target: float) -> Tensor:
    return binary_cross_entropy_with_logits(logits.float(), torch.full_like(logits, target, dtype=torch.float32))


def _update(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()


def parts(networks: nn.Module) -> tuple[nn.Module, nn.Module]:
    """(generator, discriminator) of a GAN."""
    return networks.get_submodule("generator"), networks.get_submodule("discriminator")


def with_torchs_layers(networks: nn.Module) -> None:
    """Give networks, in place, torch's own layer wherever one of ours is a faster form of it: same parameters, same function."""
    for module in networks.modules():
        base = next(kind for kind in type(module).__mro__ if kind.__module__.startswith("torch.nn"))
        if base is not nn.Module and base is not type(module):
            module.__class__ = base
