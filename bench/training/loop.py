"""The training loop. It calls no trackers, metrics, searches or progress bars. These consume what `train()` yields.

A mark (evaluation point) is a position in training, in the unit of the budget, at which `train()` yields. The caller logs and evaluates at marks.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from bench.core import random_streams
from bench.core.environment import synchronise
from bench.core.spec import Batch, Examples, Networks, Objective, Player, Progress, Recipe, Step, Terms
from bench.training.batches import BatchLoader
from bench.training.ema import Ema
from bench.training.optimizers import make_optimiser
from bench.training.precision import Precision, float32_products, forward_precision


class PlayerState:
    """Training state of a player: its parameters, optimiser and number of updates."""

    def __init__(self, player: Player, networks: Networks, recipe: Recipe) -> None:
        self.player = player
        modules = [networks.get_submodule(name) for name in player.modules]
        self.parameters = list({id(parameter): parameter for module in modules for parameter in module.parameters()}.values())
        self.optimiser = make_optimiser(self.parameters, player.lr, recipe)
        self.updates = 0


class Means:
    """Running means on the device. Reading them synchronises with the device, which adding to them does not."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}

    def add(self, name: str, value: Tensor) -> None:
        """Add one value: a scalar, or the mean of a vector."""
        value = value.detach().float().mean()
        self.sums[name] = self.sums[name] + value if name in self.sums else value
        self.counts[name] = self.counts.get(name, 0) + 1

    def read(self) -> dict[str, float]:
        """Return all means since the last reset, in one transfer."""
        if not self.sums:
            return {}
        values = torch.stack(list(self.sums.values())).tolist()
        return {name: value / self.counts[name] for name, value in zip(self.sums, values, strict=True)}

    def reset(self) -> None:
        """Clear all means."""
        self.sums, self.counts = {}, {}


class Trainer:
    """Trainer of networks by an objective. It runs rounds and owns the complete training state.

    The networks are valid for sampling only between rounds. `images` is the number of real images shown to the first player. `data_seed`
    (default: `seed`) determines the order of the data, and `seed` determines all other random numbers.
    """

    def __init__(
        self, *, networks: Networks, objective: Objective, recipe: Recipe, data: Examples, seed: int, device: torch.device,
        precision: Precision, budget_images: int | None = None, budget_seconds: float | None = None, data_seed: int | None = None,
    ) -> None:  # fmt: skip
        self.networks = networks.to(device).train()
        self.objective = objective.to(device)
        self.recipe = recipe
        self.budget_images = budget_images
        self.budget = _one(budget_images, budget_seconds)
        self.device = device
        self.precision = precision
        self.images = 0
        self.train_seconds = 0.0
        self.batches = BatchLoader(data, batch_size=recipe.batch_size, seed=seed if data_seed is None else data_seed, device=device)
        self.player_states = [PlayerState(player, self.networks, recipe) for player in objective.players]
        self.ema = Ema(self.networks, recipe.ema_half_life_images) if recipe.ema_half_life_images else None
        self.means = Means()
        self._noise = random_streams.stream(seed, random_streams.NOISE, device)
        self._global = random_streams.GlobalStream(seed, device)
        self._lr_epoch = 0
        self._started: float | None = None  # start of the current `running()`
        self._gradient_norms: dict[str, Tensor] = {}

    @property
    def position(self) -> float:
        """Progress in the unit of the budget: images, or seconds on the training clock."""
        if self.budget_images is not None:
            return self.images
        return self.train_seconds + (0.0 if self._started is None else time.perf_counter() - self._started)

    def reaches(self, mark: float) -> bool:
        """Return whether the next round reaches a mark. With a budget in seconds it is true only after the mark."""
        return self.position + (self.images_per_round if self.budget_images is not None else 0) >= mark

    @property
    def images_per_round(self) -> int:
        """Number of real images that one round shows to the first player."""
        return self.player_states[0].player.updates * self.recipe.batch_size

    @property
    def updates(self) -> dict[str, int]:
        """Number of updates of each player."""
        return {state.player.name: state.updates for state in self.player_states}

    @property
    def eval_networks(self) -> Networks:
        """Networks for evaluation: the EMA networks if the recipe has an EMA, else the trained networks. Results do not affect this choice."""
        return self.ema.networks if self.ema else self.networks

    def round(self, *, measure_gradients: bool = False) -> None:
        """Run one round: the first player's updates, each on a fresh batch, then every other player's updates on the last batch."""
        first, *others = self.player_states
        for update in range(first.player.updates):
            batch = self._fresh_batch()
            self._update(first, batch, measure_gradients and update == first.player.updates - 1)
        for state in others:
            for update in range(state.player.updates):
                self._update(state, batch, measure_gradients and update == state.player.updates - 1)
        if self.ema:
            self.ema.update(self.networks, self.images, self.images_per_round)

    def _fresh_batch(self) -> Batch:
        self._follow_schedule()
        self.networks.at(self._step(self.player_states[0]))
        batch = self.batches.next()
        self.images += len(batch)
        return replace(batch, data=self.networks.prepare(batch.data))

    def _update(self, state: PlayerState, batch: Batch, measure_gradients: bool) -> None:
        step = self._step(state)
        self._freeze_all_but(state)
        with forward_precision(self.precision, self.device):
            terms = state.player.loss(self.networks, batch, step)
        if terms is None:
            return
        loss = terms.loss.float().mean()
        state.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if measure_gradients:
            gradients = [parameter.grad for parameter in state.parameters if parameter.grad is not None]
            self._gradient_norms[state.player.name] = torch.nn.utils.get_total_norm(gradients)
        state.optimiser.step()
        with torch.no_grad():
            state.player.after(self.networks, terms, step)
        state.updates += 1
        self._count(state, loss, terms)

    def _step(self, state: PlayerState) -> Step:
        return Step(images=self.images, budget_images=self.budget_images, index=state.updates, noise=self._noise)

    def _count(self, state: PlayerState, loss: Tensor, terms: Terms) -> None:
        self.means.add(f"loss_{state.player.name}", loss)
        for name, value in terms.log.items():
            self.means.add(name, value)

    def _freeze_all_but(self, state: PlayerState) -> None:
        for other in self.player_states:
            if other is not state:
                for parameter in other.parameters:
                    parameter.requires_grad_(False)
        for parameter in state.parameters:
            parameter.requires_grad_(True)

    def _unfreeze(self) -> None:
        for state in self.player_states:
            for parameter in state.parameters:
                parameter.requires_grad_(True)

    def _follow_schedule(self) -> None:
        if self.batches.epoch == self._lr_epoch and self.recipe.decay_from == 1:
            return
        self._lr_epoch = self.batches.epoch
        share = self.images / self.budget_images if self.budget_images else 0.0
        for state in self.player_states:
            for group in state.optimiser.param_groups:
                group["lr"] = self.recipe.learning_rate(state.player.lr, self._lr_epoch, share)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Context manager that runs the training clock and activates the run's random streams. On exit, it stops and restores them."""
        self._started = started = time.perf_counter()
        try:
            with self._global.active(), float32_products(tf32=self.networks.tf32):
                yield
            synchronise(self.device)  # the clock includes queued work
        finally:
            self._unfreeze()
            self._started = None
            self.train_seconds += time.perf_counter() - started

    def read_mark(self) -> tuple[dict[str, float], str | None]:
        """Return the scalars since the last mark, and the reason if training diverges. Synchronises the device and resets the means."""
        scalars = self.means.read()
        self.means.reset()
        norms = {f"grad_norm_{name}": norm.item() for name, norm in self._gradient_norms.items()}
        rates = {f"lr_{state.player.name}": float(state.optimiser.param_groups[0]["lr"]) for state in self.player_states}
        reason = next((f"{name} is {value}" for name, value in scalars.items() if not math.isfinite(value)), None)
        if reason is None and not self._weights_are_finite():
            reason = "a weight is not finite"
        return scalars | norms | rates, reason and f"{reason} at {self.images:,} images"

    def _weights_are_finite(self) -> bool:
        weights = [parameter.detach() for state in self.player_states for parameter in state.parameters]
        return bool(torch.stack(torch._foreach_norm(weights)).isfinite().all())

    def state_dict(self) -> dict[str, Any]:
        """Return the complete training state. It is valid between rounds."""
        return {
            "networks": self.networks.state_dict(),
            "objective": self.objective.state_dict(),
            "ema": self.ema.networks.state_dict() if self.ema else {},
            "optimisers": {state.player.name: state.optimiser.state_dict() for state in self.player_states},
            "streams": {"noise": self._noise.get_state(), "global": self._global.state_dict()},
            "means": {"sums": dict(self.means.sums), "counts": dict(self.means.counts)},
            "gradient_norms": dict(self._gradient_norms),
            "position": {
                "images": self.images, "batches": self.batches.position, "updates": self.updates,
                "lr_epoch": self._lr_epoch, "train_seconds": self.train_seconds,
            },
        }  # fmt: skip

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the training state that `state_dict` returned."""
        self.networks.load_state_dict(state["networks"])
        self.objective.load_state_dict(state["objective"])
        if self.ema:
            self.ema.networks.load_state_dict(state["ema"])
        position = state["position"]
        for player_state in self.player_states:
            player_state.optimiser.load_state_dict(state["optimisers"][player_state.player.name])
            _lay_out(player_state.optimiser)
            player_state.updates = position["updates"][player_state.player.name]
        self._noise.set_state(state["streams"]["noise"].cpu())
        self._global.load_state_dict(state["streams"]["global"])
        self.means.sums = {name: value.to(self.device) for name, value in state["means"]["sums"].items()}
        self.means.counts = dict(state["means"]["counts"])
        self._gradient_norms = dict(state["gradient_norms"])
        self.images, self.batches.position = position["images"], position["batches"]
        self._lr_epoch, self.train_seconds = position["lr_epoch"], position["train_seconds"]


def _lay_out(optimiser: torch.optim.Optimizer) -> None:
    """Give moments the memory layout of their parameters, which fused updates need. Files store moments as contiguous arrays."""
    for parameter, moments in optimiser.state.items():
        for name, value in moments.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                moments[name] = torch.empty_like(parameter, dtype=value.dtype, device=value.device).copy_(value)


def never() -> bool:
    """Return False, so that training never pauses."""
    return False


def train(trainer: Trainer, marks: Iterable[float], pause: Callable[[], bool] = never) -> Iterator[Progress]:
    """Train to the budget. Yield at every mark, at the end, and after any round for which `pause()` is true.

    A pause resets no mean, so it changes no result. The caller can end training at any yield. After a divergence the last
    `Progress` contains the reason. The training clock runs only between `next()` and `yield`.
    """
    budget = trainer.budget
    ahead, next_mark = sorted({mark for mark in marks if trainer.position < mark < budget} | {budget}), 0
    while trainer.position < budget:
        with trainer.running():
            while True:
                reaches_mark = trainer.reaches(ahead[next_mark])
                trainer.round(measure_gradients=reaches_mark)
                reaches_mark = reaches_mark or trainer.position >= budget  # a budget in seconds may end within a round
                if reaches_mark or pause():
                    break
            scalars, diverged = trainer.read_mark() if reaches_mark else ({}, None)
        position = trainer.position
        yield Progress(
            images=trainer.images, position=position, share=position / budget, updates=trainer.updates,
            train_seconds=trainer.train_seconds, scalars=scalars, mark=reaches_mark, diverged=diverged,
        )  # fmt: skip
        if diverged:
            return
        while next_mark < len(ahead) - 1 and ahead[next_mark] <= position:
            next_mark += 1


def _one(budget_images: int | None, budget_seconds: float | None) -> float:
    """Return the budget, which is either in images or in seconds."""
    if (budget_images is None) == (budget_seconds is None):
        raise ValueError(f"budget_images={budget_images}, budget_seconds={budget_seconds}: give exactly one of them")
    return budget_images if budget_images is not None else float(budget_seconds or 0.0)
