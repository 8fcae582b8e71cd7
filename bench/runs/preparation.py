"""Preparation of a run: build its networks and objective, and check them against the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from bench.core import environment
from bench.core.config import DATASETS, RunConfig
from bench.core.errors import UserError
from bench.core.spec import Dataset, Networks, Objective
from bench.evaluation.evaluator import Evaluator, check_samples, evaluator_for
from bench.training.batches import check_batch_size
from bench.training.build import assemble, budget_images
from bench.training.loop import Trainer

Built = tuple[Networks, Objective]


@dataclass(frozen=True, kw_only=True)
class Work:
    """Objects that a run needs: data, networks with their trainer, and evaluator."""

    config: RunConfig
    fingerprint: str
    dataset: Dataset
    trainer: Trainer
    evaluator: Evaluator | None  # None if the data has no metrics
    device: torch.device

    @property
    def protocol(self) -> str:
        """Hash of the evaluation protocol; empty without an evaluator."""
        return self.evaluator.protocol_hash if self.evaluator else ""

    @property
    def curve_protocol(self) -> str:
        """Hash of the evaluation protocol at evaluation points. A resumed run must have the same hash."""
        return curve_protocol(self.evaluator)


def curve_protocol(evaluator: Evaluator | None) -> str:
    """Return the hash of the evaluation protocol at evaluation points. It is empty without an evaluator."""
    return next(iter(curve_protocols(evaluator)))


def curve_protocols(evaluator: Evaluator | None) -> Mapping[str, str]:
    """Return each metric that may be the headline, by the hash of its evaluation protocol. Both are empty without an evaluator."""
    return evaluator.curve_protocols if evaluator else {"": ""}


def prepare(config: RunConfig, built: Built | None = None) -> Work:
    """Build and check the objects that a run needs, and return them. Writes nothing. `built` are networks and objective from `check` to use."""
    device = environment.device_of(config.device)
    dataset = DATASETS.get(config.dataset)
    networks, objective = built or assemble(config, dataset.spec)
    if config.precision == "auto":
        raise ValueError("the configuration has precision=auto: call `resolve` before `prepare`")
    trainer = Trainer(
        networks=networks, objective=objective, recipe=config.recipe, data=dataset.split("train"), seed=config.seed, device=device,
        precision=config.precision, budget_images=budget_images(config, objective), budget_seconds=config.budget.train_seconds,
    )  # fmt: skip
    if config.compile:  # after creating the averaged networks, which only sample
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


def check(config: RunConfig) -> Built:
    """Build the networks and the objective of a run, and return them. Raises UserError if the run cannot be trained or measured."""
    dataset = DATASETS.get(config.dataset)
    built = assemble(config, dataset.spec)
    train = len(dataset.split("train"))
    check_batch_size(config.recipe.batch_size, train)
    bound = config.recipe.bound_to_budget()
    if bound and config.budget.train_seconds is not None:
        raise UserError(
            f"budget.train_seconds cannot be used, because recipe.{bound} depends on the length of the run; give budget.images or budget.generator_updates"
        )
    evaluator = evaluator_for(dataset, config.evaluation)
    if evaluator is not None:
        check_samples(evaluator)
    return built
