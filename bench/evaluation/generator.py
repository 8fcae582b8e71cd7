"""A recorded run's generator, ready to sample from:

    from bench.evaluation.generator import load_generator
    generator = load_generator("RUN_ID")
    images = generator.sample(64)  # uint8 [64, C, H, W]

`generator.networks` are the torch modules in evaluation mode, `generator.config` is the whole configuration of the run.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from pydantic import ValidationError
from safetensors.torch import load as load_tensors
from torch import Tensor

from bench.core import random_streams
from bench.core.config import DATASETS, RunConfig, load_config
from bench.core.environment import device_of, has_device
from bench.core.errors import UserError, one_line
from bench.core.spec import Dataset, Networks
from bench.core.threads import limited_threads
from bench.data.record import DataRecord, record_of
from bench.evaluation import best_checkpoint
from bench.evaluation.evaluator import evaluator_for
from bench.evaluation.sampling import asked_labels, sample
from bench.tracking import results, store
from bench.tracking.artifacts import Artifacts, DamagedArtifact
from bench.tracking.results import find_run
from bench.training.build import assemble

if TYPE_CHECKING:
    from mlflow.entities import Run

log = logging.getLogger(__name__)

MOST = 1_000_000  # images that are sampled into memory
MOST_NAMED = 30  # classes in an error


@dataclass(frozen=True, kw_only=True)
class Stored:
    """Which artifact some weights are, and the noise that their images are measured on."""

    artifact: str
    stream: str


WEIGHTS: Mapping[str, Stored] = {
    "last": Stored(artifact=results.WEIGHTS, stream=random_streams.EVALUATION),
    "best": Stored(artifact=results.BEST_WEIGHTS, stream=best_checkpoint.NOISE),
}


@dataclass(frozen=True, kw_only=True)
class Generator:
    """A trained generator."""

    run_id: str
    config: RunConfig
    data: DataRecord
    networks: Networks
    device: torch.device
    stream: str  # of its latents

    @property
    def dataset(self) -> Dataset:
        """What it was trained on. A UserError where it is not available."""
        return DATASETS.get(self.config.dataset)

    @property
    def measured_n(self) -> int:
        """How many examples of it are measured."""
        evaluator = evaluator_for(self.dataset, self.config.evaluation)
        return self.config.evaluation.samples if evaluator is None else evaluator.n

    def sample(self, n: int, *, seed: int | None = None, batch_size: int | None = None, label: str | int | None = None) -> Tensor:
        """n images uint8 [n, C, H, W], or points float32 [n, D], on the CPU; the seed is the run's own unless given.

        `sample(measured_n)` are those that were measured. A conditional model gives the classes as often as the data does, or
        nothing but `label`, a class by its name or number.
        """
        check_count(n)
        seed = self.config.seed if seed is None else seed
        labels = self._labels(n, seed) if label is None else torch.full((n,), self._class_of(label))
        with limited_threads(self.config.threads):
            return sample(
                self.networks, n=n, seed=seed, batch_size=batch_size or self.config.evaluation.batch_size, device=self.device,
                labels=labels, stream=self.stream, points=self.data.kind == "points",
            )  # fmt: skip

    def _labels(self, n: int, seed: int) -> Tensor | None:
        """Labels [n] in the data's own mix for a conditional model, else None."""
        if not self.networks.classes:
            return None
        try:
            return asked_labels(self.networks, self.dataset, n, seed=seed, stream=self.stream)
        except UserError as error:
            raise UserError(f"the mix of classes needs the data, and {error}; or ask for one class, as --class 0") from error

    def _class_of(self, label: str | int) -> int:
        if not self.networks.classes:
            raise UserError(f"{self.config.variant} is no conditional model: its samples are of no class that was asked for")
        names = self.data.class_names
        if isinstance(label, str) and label in names:
            return names.index(label)
        if str(label).isdecimal() and int(label) < self.networks.classes:
            return int(label)
        some = names if len(names) <= MOST_NAMED and any(not name.isdecimal() for name in names) else ()
        raise UserError(
            f"{self.config.dataset} has no class {label!r}: there are 0 to {self.networks.classes - 1}"
            + (f", {', '.join(some)}" if some else "")
        )


def check_count(n: int) -> None:
    """A UserError unless so many images can be sampled at once."""
    if not 1 <= n <= MOST:
        raise UserError(f"1 to {MOST:,} images can be sampled, not {n}")


def load_generator(run_id: str, uri: str | None = None, *, weights: str = "last", device: str | None = None) -> Generator:
    """The generator of a recorded run, by its id or the first digits of it (at least 6), on the run's own device unless another is given.

    Where the run's own device is not on this machine, it is the CPU. The data is not needed for an unconditional model.
    `weights` are those of its end, or of its best mark where the run kept them. The store is `uri`, else MLFLOW_TRACKING_URI,
    else ./mlflow.db. Raises UserError for a run that is unknown or has no weights.
    """
    _check_weights(weights)
    client = store.connect(store.tracking_uri(uri))
    run = find_run(client, run_id)
    return restored(run, Artifacts(client, {run.info.run_id: run.info.artifact_uri}), weights=weights, device=device)


def restored(run: Run, artifacts: Artifacts, *, weights: str = "last", device: str | None = None) -> Generator:
    """The generator of an MLflow run from its artifacts."""
    _check_weights(weights)
    run_id = run.info.run_id
    if run.data.tags.get("kind") != "run":
        raise UserError(f"the run {run_id} is no training run, so it has no weights")
    stored = WEIGHTS[weights]
    config = config_of(run_id, artifacts)
    content = needed(artifacts, run_id, stored.artifact)
    try:
        tensors = load_tensors(content)
    except Exception as error:  # safetensors and torch raise kinds of their own
        raise DamagedArtifact(f"the weights {stored.artifact} of the run {run_id} are damaged: {one_line(error)}") from error
    data = _data_of(run_id, config, artifacts)
    where = device_of(device) if device else _own_device(run_id, config)
    with limited_threads(config.threads):
        networks, _ = assemble(config, data.spec)
    try:
        networks.load_state_dict(tensors)
    except RuntimeError as error:
        why = f"do not fit the networks that {config.variant} has here"
        raise UserError(f"the weights {stored.artifact} of the run {run_id} {why}: {one_line(error)}") from error
    return Generator(
        run_id=run_id, config=config, data=data, networks=networks.to(where).eval(), device=where, stream=stored.stream
    )  # fmt: skip


def _data_of(run_id: str, config: RunConfig, artifacts: Artifacts) -> DataRecord:
    """What the run recorded of its data; of a run that recorded nothing (older ones), what its dataset says."""
    recorded = artifacts.read_json(run_id, results.DATA)
    if recorded is not None:
        try:
            return DataRecord.model_validate(recorded)
        except ValidationError as error:
            log.warning("artifact %s of run %s cannot be read: %s", results.DATA, run_id, one_line(error, most=120))
    try:
        return record_of(DATASETS.get(config.dataset))
    except UserError as error:
        raise UserError(f"the run {run_id} has no {results.DATA}, so its data is needed: {error}") from error


def _own_device(run_id: str, config: RunConfig) -> torch.device:
    """The device that a run was trained on, or the CPU where it is not on this machine."""
    if has_device(config.device):
        return device_of(config.device)
    log.warning("the run %s was trained on %s, which is not here: sampling on the CPU, from other latents", run_id, config.device)
    return torch.device("cpu")


def _check_weights(weights: str) -> None:
    if weights not in WEIGHTS:
        raise UserError(f"a run may have the weights 'last' and 'best', not {weights!r}")


def config_of(run_id: str, artifacts: Artifacts) -> RunConfig:
    """The configuration of a recorded run."""
    content = needed(artifacts, run_id, results.CONFIG).decode(errors="replace")
    try:
        json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DamagedArtifact(f"{results.CONFIG} of the run {run_id} is damaged: {one_line(error, most=120)}") from error
    return load_config(content)


def needed(artifacts: Artifacts, run_id: str, path: str) -> bytes:
    """The content of an artifact of a recorded run; a UserError where it has none."""
    found = artifacts.read(run_id, path)
    if found is None:
        if lost := artifacts.missing([run_id]):
            raise UserError(f"the artifacts of the run {run_id} are missing: expected in {lost[0]}")
        where = artifacts.location(run_id)
        raise UserError(f"the run {run_id} has no {path} in {where}: `ganbench sync` delivers pending writes, else restore the file")
    return found
