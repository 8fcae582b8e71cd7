"""Load the generator of a recorded run and sample from it:

    from bench.evaluation.generator import load_generator
    generator = load_generator("RUN_ID")
    images = generator.sample(64)  # uint8 [64, C, H, W]

`generator.networks` contains the torch modules in evaluation mode. `generator.config` is the whole configuration of the run.
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
from bench.evaluation.sampling import sample
from bench.tasks.catalog import task_of
from bench.tasks.task import Request
from bench.tracking import results, store
from bench.tracking.artifacts import Artifacts, DamagedArtifact
from bench.tracking.results import find_run
from bench.training.build import assemble

if TYPE_CHECKING:
    from mlflow.entities import Run

log = logging.getLogger(__name__)

MOST = 1_000_000  # images in one call: all are in memory at once
MOST_NAMED = 30  # class names in an error message


@dataclass(frozen=True, kw_only=True)
class WeightsArtifact:
    """An artifact with weights, and the random stream of the noise for their evaluation."""

    artifact: str
    stream: str


WEIGHTS: Mapping[str, WeightsArtifact] = {
    "last": WeightsArtifact(artifact=results.WEIGHTS, stream=random_streams.EVALUATION),
    "best": WeightsArtifact(artifact=results.BEST_WEIGHTS, stream=best_checkpoint.NOISE),
}


@dataclass(frozen=True, kw_only=True)
class RecordedGenerator:
    """The trained generator of a recorded run."""

    run_id: str
    config: RunConfig
    data: DataRecord
    networks: Networks
    device: torch.device
    stream: str  # the random stream of the latents

    @property
    def dataset(self) -> Dataset:
        """The dataset of the training. Raises UserError if it is not available."""
        return DATASETS.get(self.config.dataset)

    @property
    def measured_n(self) -> int:
        """The number of examples that the evaluation measures."""
        evaluator = evaluator_for(self.dataset, self.config.evaluation)
        return self.config.evaluation.samples if evaluator is None else evaluator.n

    def sample(
        self, n: int, *, seed: int | None = None, batch_size: int | None = None, label: str | int | None = None, given: Tensor | None = None
    ) -> Tensor:
        """Return n images uint8 [n, C, H, W], or points float32 [n, D], on the CPU. The default seed is the run's.

        `sample(measured_n)` returns the samples of the evaluation. A conditional model draws the classes at the frequencies of the data, or
        only the class `label` (a name or a number). A translation takes the examples `given` uint8 [n, *given], or the first n test inputs.
        Raises UserError for an unknown class or a bad n.
        """
        check_count(n)
        seed = self.config.seed if seed is None else seed
        incomplete = (self.networks.classes and label is None) or (self.data.given and given is None)
        request = self._request(n, seed) if incomplete else Request(n=n)
        labels = request.labels if label is None else torch.full((n,), self._class_of(label))
        with limited_threads(self.config.threads):
            return sample(
                self.networks, n=n, seed=seed, batch_size=batch_size or self.config.evaluation.batch_size, device=self.device,
                labels=labels, given=request.given if given is None else given, stream=self.stream, points=self.data.kind == "points",
            )  # fmt: skip

    def _request(self, n: int, seed: int) -> Request:
        """Return the request of an evaluation of n examples."""
        try:
            return task_of(self.data.spec).ask(self.dataset, n, classes=self.networks.classes, seed=seed, stream=self.stream)
        except UserError as error:
            if self.data.given:
                raise
            raise UserError(f"the class frequencies need the data, and {error}; or choose one class, e.g. --class 0") from error

    def _class_of(self, label: str | int) -> int:
        if not self.networks.classes:
            raise UserError(f"{self.config.variant} is not a conditional model, so it cannot sample one class: omit the class")
        names = self.data.class_names
        if isinstance(label, str) and label in names:
            return names.index(label)
        if str(label).isdecimal() and int(label) < self.networks.classes:
            return int(label)
        some = names if len(names) <= MOST_NAMED and any(not name.isdecimal() for name in names) else ()
        raise UserError(
            f"{self.config.dataset} has no class {label!r}: its classes are 0 to {self.networks.classes - 1}"
            + (f", {', '.join(some)}" if some else "")
        )


def check_count(n: int) -> None:
    """Raise a UserError unless n images can be sampled in one call."""
    if not 1 <= n <= MOST:
        raise UserError(f"cannot sample {n} images: choose 1 to {MOST:,}")


def load_generator(run_id: str, uri: str | None = None, *, weights: str = "last", device: str | None = None) -> RecordedGenerator:
    """Load the generator of a recorded run by its id, or by the first 6 or more characters of its id.

    `uri`: the tracking store, by default MLFLOW_TRACKING_URI, else ./mlflow.db. `weights`: "last", or "best" if the run recorded its best
    checkpoint. `device`: by default the device of the run, or the CPU if this machine does not have that device. An unconditional model does
    not need the data. Raises UserError for a run that is unknown or has no weights.
    """
    _check_weights(weights)
    client = store.connect(store.tracking_uri(uri))
    run = find_run(client, run_id)
    return restored(run, Artifacts(client, {run.info.run_id: run.info.artifact_uri}), weights=weights, device=device)


def restored(run: Run, artifacts: Artifacts, *, weights: str = "last", device: str | None = None) -> RecordedGenerator:
    """Restore the generator of an MLflow run from its artifacts. Raises UserError, or DamagedArtifact."""
    _check_weights(weights)
    run_id = run.info.run_id
    if run.data.tags.get("kind") != "run":
        raise UserError(f"the run {run_id} is not a training run, so it has no weights: choose another run")
    stored = WEIGHTS[weights]
    config = config_of(run_id, artifacts)
    content = needed(artifacts, run_id, stored.artifact)
    try:
        tensors = load_tensors(content)
    except Exception as error:  # safetensors and torch raise types of their own
        raise DamagedArtifact(f"the weights {stored.artifact} of the run {run_id} are damaged: {one_line(error)}") from error
    data = _data_of(run_id, config, artifacts)
    where = device_of(device) if device else _own_device(run_id, config)
    with limited_threads(config.threads):
        networks, _ = assemble(config, data.spec)
    try:
        networks.load_state_dict(tensors)
    except RuntimeError as error:
        why = f"do not fit the networks of {config.variant} in this version, so use the version of the run"
        raise UserError(f"the weights {stored.artifact} of the run {run_id} {why}: {one_line(error)}") from error
    return RecordedGenerator(
        run_id=run_id, config=config, data=data, networks=networks.to(where).eval(), device=where, stream=stored.stream
    )  # fmt: skip


def _data_of(run_id: str, config: RunConfig, artifacts: Artifacts) -> DataRecord:
    """Return the data record of a run. For an old run without one, build it from the dataset."""
    recorded = artifacts.read_json(run_id, results.DATA)
    if recorded is not None:
        try:
            return DataRecord.model_validate(recorded)
        except ValidationError as error:
            log.warning("cannot read artifact %s of run %s: %s", results.DATA, run_id, one_line(error, most=120))
    try:
        return record_of(DATASETS.get(config.dataset))
    except UserError as error:
        raise UserError(f"the run {run_id} has no {results.DATA}, so it needs its dataset: {error}") from error


def _own_device(run_id: str, config: RunConfig) -> torch.device:
    """Return the device of a run's training, or the CPU if this machine does not have that device."""
    if has_device(config.device):
        return device_of(config.device)
    log.warning(
        "the run %s has the device %s, which this machine does not have: sampling on the CPU, from different latents", run_id, config.device
    )
    return torch.device("cpu")


def _check_weights(weights: str) -> None:
    if weights not in WEIGHTS:
        raise UserError(f"unknown weights {weights!r}: choose 'last' or 'best'")


def config_of(run_id: str, artifacts: Artifacts) -> RunConfig:
    """Return the configuration of a recorded run. Raises UserError, or DamagedArtifact."""
    content = needed(artifacts, run_id, results.CONFIG).decode(errors="replace")
    try:
        json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DamagedArtifact(f"{results.CONFIG} of the run {run_id} is damaged: {one_line(error, most=120)}") from error
    return load_config(content)


def needed(artifacts: Artifacts, run_id: str, path: str) -> bytes:
    """Return the content of an artifact of a recorded run. Raises UserError if the run does not have it."""
    found = artifacts.read(run_id, path)
    if found is None:
        if lost := artifacts.missing([run_id]):
            raise UserError(f"the artifacts of the run {run_id} are missing: restore them in {lost[0]}")
        where = artifacts.location(run_id)
        raise UserError(f"the run {run_id} has no {path} in {where}: deliver pending writes with `ganbench sync`, or restore the file")
    return found
