"""The rows for scale: real training images, and an untrained generator, measured like anybody's images and kept.

The measurement lies in the cache folder, for every store and for `ganbench evaluate`; a suite also records it as a run of its store.
"""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from bench.core import serialization
from bench.core.config import RESULTS_VERSION, VARIANTS, RunConfig, config_for, short_hash
from bench.core.environment import device_of
from bench.core.errors import UserError
from bench.core.spec import Dataset
from bench.core.threads import limited_threads
from bench.data.cache import cache_root
from bench.evaluation.evaluator import Evaluator, Measurement, Samples, draw, reference_images
from bench.metrics import definitions, real_statistics
from bench.metrics.cache import plain
from bench.metrics.evidence import METRICS, MetricFunction, metric_keys
from bench.training.build import assemble

log = logging.getLogger(__name__)

KINDS = {
    "real": "as many real training images, measured against the test split like anybody's",
    "untrained": "an untrained generator (dcgan; dcgan-deep where sides are odd or large; of points, mlp-2d), seed 0",
}
DCGAN_SIDES = range(8, 65, 4)  # pixels; other images have the deeper networks, which take any size


@dataclass(frozen=True, kw_only=True)
class Row:
    """One reference row, measured."""

    measurement: Measurement
    seconds: float  # that measuring took


def made_by(kind: str, evaluator: Evaluator) -> str:
    """A hash of what a row comes from beside the protocol: how its images are made, the real side, whether errors are, foreign metrics' code."""
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
    """A hash of the source of each metric that is not ours, None where it has none: such a metric changes without a word to us."""
    return {key: _source_hash(METRICS[key]) for key in metric_keys() if getattr(METRICS[key], "__module__", "") != definitions.__name__}


def _source_hash(function: MetricFunction) -> str | None:
    try:
        return short_hash(inspect.getsource(function))
    except (OSError, TypeError):  # it was typed into a shell, or is no function but an object with __call__
        return None


def reference_row(kind: str, evaluator: Evaluator) -> Row:
    """That row, from the cache folder, else measured now and kept there."""
    with limited_threads(1):
        path = _path(kind, evaluator)
        row = _read(path)
        if row is None:
            evaluator.prepare()  # once a machine, and no part of what an evaluation takes
            started = time.perf_counter()
            samples = SAMPLES[kind](evaluator)
            measurement = evaluator.full(samples.data, walks=samples.walks)
            row = Row(measurement=replace(measurement, nearest=None), seconds=time.perf_counter() - started)  # images are not kept
            if _lasting(row):
                _write(path, row)
    return row


def _lasting(row: Row) -> bool:
    """Whether another measurement would give the same: not where a metric's code failed, or may change without being seen to."""
    return not row.measurement.raised and None not in metric_sources().values()


def _untrained_config(dataset: Dataset) -> RunConfig:
    if dataset.spec.kind == "points":
        return config_for("ns-gan", {"networks": "mlp-2d"})
    _, height, side = dataset.spec.shape
    if height == side and side in DCGAN_SIDES:
        return config_for("dcgan")
    return config_for("dcgan", {"networks": "dcgan-deep", "recipe.width": 16})


def _real(evaluator: Evaluator) -> Samples:
    return Samples(data=reference_images(evaluator.dataset, evaluator.n))


def _untrained(evaluator: Evaluator) -> Samples:
    networks = assemble(_untrained_config(evaluator.dataset), evaluator.dataset.spec)[0]
    return draw(evaluator, networks, seed=0, batch_size=500, device=device_of("cpu"))


SAMPLES: dict[str, Callable[[Evaluator], Samples]] = {"real": _real, "untrained": _untrained}


def _path(kind: str, evaluator: Evaluator) -> Path:
    """Where it is stored. What may change single bits is in the name too, so a stored row equals a fresh one."""
    identity = {
        "made_by": made_by(kind, evaluator), "protocol": evaluator.protocol_hash, "torch": torch.__version__, "threads": torch.get_num_threads(),
    }  # fmt: skip
    return cache_root() / "references" / f"{plain(evaluator.dataset.name)}-{kind}-{short_hash(identity)}.safetensors"


def _read(path: Path) -> Row | None:
    """What is stored, None if nothing is. A damaged file, by its hash, is said to be and then replaced."""
    if not path.exists():
        return None
    try:
        state = serialization.load(path)
        measurement = Measurement(values=state["values"], reasons=state["reasons"], evidence=state["evidence"])
        return Row(measurement=measurement, seconds=float(state["seconds"]))
    except (UserError, KeyError) as error:
        log.warning("%s: measuring this row anew", error)
        return None


def _write(path: Path, row: Row) -> None:
    """Store for other processes. A folder that cannot be written costs them time and changes no number, so it only warns."""
    measurement = row.measurement
    state = {
        "values": dict(measurement.values), "reasons": dict(measurement.reasons), "evidence": dict(measurement.evidence),
        "seconds": row.seconds,
    }  # fmt: skip
    try:
        serialization.save(state, path)
    except OSError as error:
        log.warning("%s cannot be written (%s): it will be measured again", path, error.strerror or error)
