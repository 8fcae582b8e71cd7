"""The contenders: the same networks and numbers in a loop as tutorials write it, in a bare loop, and in the harness.

Each is a function from seconds to a `Lap`. They share networks, first weights, batch size, optimiser and learning rates; the loss is the
non-saturating one. What differs is what a user would get, or save, by writing the loop.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from bench.assemble import Work, assemble, prepare
from bench.config import DATASETS, RunConfig
from bench.precision import forward_precision
from bench.spec import Dataset, to_unit_range
from bench.train import train

MARK_IMAGES = 1_000  # between two marks of train(), as in the suite `quick`
LOOPS = ("tutorial", "bare", "train")


class Lap(NamedTuple):
    """What a loop did in one turn: real images shown to D, and the seconds that took."""

    images: int
    seconds: float


Go = Callable[[float], Lap]


def loop(name: str, config: RunConfig) -> Go:
    """A contender, made ready."""
    match name:
        case "tutorial":
            return timed(Tutorial(config).steps(), config.recipe.batch_size)
        case "bare":
            return timed(bare_steps(config), config.recipe.batch_size)
        case "train":
            return harness(prepare(config))
    raise ValueError(f"no loop {name!r}")


def timed(steps: Iterator[None], images: int) -> Go:
    """Steps of so many images each, until the time is over."""

    def go(seconds: float) -> Lap:
        done, started = 0, time.perf_counter()
        while (passed := time.perf_counter() - started) < seconds:
            next(steps)
            done += images
        return Lap(done, passed)

    return go


def harness(work: Work) -> Go:
    """`train()` itself, with a mark every `MARK_IMAGES`."""
    end = 0.0
    marks = range(MARK_IMAGES, int(work.trainer.budget), MARK_IMAGES)
    progress = train(work.trainer, marks, pause=lambda: time.perf_counter() >= end)

    def go(seconds: float) -> Lap:
        nonlocal end
        images, started = work.trainer.images, time.perf_counter()
        end = started + seconds
        while time.perf_counter() < end:
            next(progress)
        return Lap(work.trainer.images - images, time.perf_counter() - started)

    return go


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

    PIL images through a DataLoader, float32, sigmoid and binary cross-entropy, plain Adam, D not frozen in G's step, `.item()` each
    step. Layers that are our own are torch's here.
    """

    def __init__(self, config: RunConfig) -> None:
        dataset = DATASETS.get(config.dataset)
        networks, _ = assemble(config, dataset.spec)
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


def bare_steps(config: RunConfig) -> Iterator[None]:
    """The least that training these networks takes at the harness' precision: data in memory, two updates, nothing else."""
    dataset, recipe = DATASETS.get(config.dataset), cast("Any", config.recipe)
    device = torch.device(config.device)
    networks, _ = assemble(config, dataset.spec)
    generator, discriminator = parts(networks.to(device).train())
    coupled = any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in discriminator.modules())
    adam_g, adam_d = (
        torch.optim.Adam(side.parameters(), lr=rate, betas=recipe.betas, fused=True)
        for side, rate in ((generator, recipe.lr_g), (discriminator, recipe.lr_d))
    )
    data, size = dataset.split("train").data.to(device), recipe.batch_size

    def made() -> Tensor:
        images: Tensor = generator(torch.randn(size, recipe.z_dim, device=device))
        return images

    def cost(logits: Tensor, target: float) -> Tensor:
        return binary_cross_entropy_with_logits(logits.float(), torch.full_like(logits, target, dtype=torch.float32))

    while True:
        for rows in torch.randperm(len(data), device=device).split(size):
            if len(rows) < size:
                break
            real = to_unit_range(data.index_select(0, rows))
            discriminator.requires_grad_(True)
            with forward_precision(cast("Any", config.precision), device):
                with torch.no_grad():
                    fake = made()
                if coupled:
                    seen_real, seen_fake = discriminator(real), discriminator(fake)
                else:
                    seen_real, seen_fake = discriminator(torch.cat([real, fake.to(real.dtype)])).chunk(2)
            _update(adam_d, cost(seen_real, 1.0) + cost(seen_fake, 0.0))
            discriminator.requires_grad_(False)
            with forward_precision(cast("Any", config.precision), device):
                seen_fake = discriminator(made())
            _update(adam_g, cost(seen_fake, 1.0))
            yield


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
