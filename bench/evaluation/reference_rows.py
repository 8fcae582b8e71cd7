"""The reference rows: real training images and an untrained generator, measured by the evaluation protocol and cached.

The cache folder serves every store and `ganbench evaluate`. A suite also records the rows as runs in its store.
"""

from __future__ import annotations

import inspect
import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from bench.core import serialization
from bench.core.config import RESULTS_VERSION, VARIANTS, RunConfig, config_for, short_hash
from bench.core.environment import device_of
from bench.core.errors import UserError
from bench.core.spec import Dataset, DataShape
from bench.core.threads import limited_threads
from bench.data.cache import cache_root
from bench.evaluation.evaluator import Evaluator, Measurement, reference_images
from bench.evaluation.samples import Samples, companions_of, draw_samples, target_classes
from bench.evaluation.sampling import sample
from bench.metrics import definitions, real_statistics
from bench.metrics.cache import plain
from bench.metrics.companions import Companions
from bench.metrics.evidence import METRICS, MetricFunction, metric_keys
from bench.tasks.catalog import task_of
from bench.training.build import assemble

log = logging.getLogger(__name__)

KINDS = {
    "real": "as many real training images, measured against the test split",
    "untrained": "an untrained generator (dcgan; dcgan-deep for odd or large sides; mlp-2d for points; the task's own network), seed 0",
}


@dataclass(frozen=True, kw_only=True)
class ReferenceRow:
    """The measurement of one reference row."""

    measurement: Measurement
    seconds: float  # duration of the measurement


def row_hash(kind: str, evaluator: Evaluator) -> str:
    """Return a hash of all that determines a row, except the evaluation protocol.

    It covers the samples, the version of the real statistics, the standard errors and the source of external metrics.
    """
    identity: dict[str, object] = {
        "kind": kind, "results_version": RESULTS_VERSION, "real_side": real_statistics.VERSION, "errors": evaluator.errors,
    }  # fmt: skip
    sources = metric_sources()
    if sources:
        identity["metrics"] = sources
    if kind == "untrained":
        config = _untrained_config(evaluator.dataset)
        fields = config.model_dump(mode="json", include={"variant", "networks", "recipe", "seed"})
        identity |= {"config": fields, "variant_version": VARIANTS.get(config.variant).version}
    return short_hash(identity)


def metric_sources() -> dict[str, str | None]:
    """Return a hash of the source of each external metric. The hash is None if the source is not available."""
    own = f"{definitions.__name__}."
    return {key: _source_hash(METRICS[key]) for key in metric_keys() if not getattr(METRICS[key], "__module__", "").startswith(own)}


def _source_hash(function: MetricFunction) -> str | None:
    try:
        return short_hash(inspect.getsource(function))
    except (OSError, TypeError):  # defined in a shell, or an object with __call__
        return None


def reference_row(kind: str, evaluator: Evaluator) -> ReferenceRow:
    """Return a reference row from the cache, or measure it and cache it."""
    with limited_threads(1):
        path = _path(kind, evaluator)
        row = _read(path)
        if row is None:
            evaluator.prepare()  # once on each machine, so not part of the duration
            started = time.perf_counter()
            samples = reference_samples(kind, evaluator)
            measurement = evaluator.full(samples.data, walks=samples.walks, labels=samples.labels, companions=samples.companions)
            row = ReferenceRow(
                measurement=replace(measurement, nearest=None), seconds=time.perf_counter() - started
            )  # images are not cached
            if _is_cacheable(row):
                _write(path, row)
    return row


def _is_cacheable(row: ReferenceRow) -> bool:
    """Return whether the row may be cached: no metric raised an error, and the source of every external metric has a hash."""
    return not row.measurement.raised and None not in metric_sources().values()


def rows_of(data: DataShape) -> dict[str, str]:
    """Return the reference rows of data with this shape, with one line about each."""
    task = task_of(data)
    return KINDS | {kind: row.idea for kind, row in task.rows.items() if row.fits(data)}


def reference_samples(kind: str, evaluator: Evaluator) -> Samples:
    """Return the samples of a reference row."""
    dataset = evaluator.dataset
    if kind == "real":
        return Samples(data=reference_images(dataset, evaluator.n), companions=Companions(target_classes=target_classes(dataset)))
    if kind == "untrained":
        networks = assemble(_untrained_config(dataset), dataset.spec)[0]
        return draw_samples(evaluator, networks, seed=0, batch_size=500, device=device_of("cpu"))
    task = task_of(dataset.spec)
    request = task.ask(dataset, evaluator.n, classes=0, seed=0, stream=kind)
    data = task.rows[kind].make(dataset, request)
    return Samples(data=data, labels=request.labels, companions=companions_of(evaluator, None, request, data, sample, whole=False))


def _untrained_config(dataset: Dataset) -> RunConfig:
    variant, settings = task_of(dataset.spec).untrained(dataset.spec)
    return config_for(variant, settings)


def _path(kind: str, evaluator: Evaluator) -> Path:
    """Return the cache file. Its name depends on everything that may change a bit, so a cached row equals a new one."""
    identity = {
        "made_by": row_hash(kind, evaluator), "protocol": evaluator.protocol_hash, "torch": torch.__version__, "threads": torch.get_num_threads(),
    }  # fmt: skip
    return cache_root() / "references" / f"{plain(evaluator.dataset.name)}-{kind}-{short_hash(identity)}.safetensors"


def _read(path: Path) -> ReferenceRow | None:
    """Return the cached row, or None. Logs a warning if the file is damaged."""
    if not path.exists():
        return None
    try:
        state = serialization.load(path)
        measurement = Measurement(values=state["values"], reasons=state["reasons"], evidence=state["evidence"])
        return ReferenceRow(measurement=measurement, seconds=float(state["seconds"]))
    except (UserError, KeyError) as error:
        log.warning("%s: measuring this row again", error)
        return None


def _write(path: Path, row: ReferenceRow) -> None:
    """Cache the row. Only logs an error: without the cache, other processes measure the row again."""
    measurement = row.measurement
    state = {
        "values": dict(measurement.values), "reasons": dict(measurement.reasons), "evidence": dict(measurement.evidence),
        "seconds": row.seconds,
    }  # fmt: skip
    try:
        serialization.save(state, path)
    except OSError as error:
        log.warning("cannot write %s (%s): the next process measures this row again", path, error.strerror or error)
