"""A finished run measured again from its weights, where the protocol has changed since. Trains nothing."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from bench import results, store
from bench.cards import BEST
from bench.config import DATASETS, Evaluation
from bench.errors import UserError, one_line
from bench.evaluate import Evaluator, Measurement
from bench.load import Generator, config_of, restored
from bench.results import Artifacts
from bench.run import RunResult, limited_threads
from bench.tracking import RunLog

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

log = logging.getLogger(__name__)


def score(run_id: str, uri: str, evaluation: Mapping[str, Any]) -> RunResult:
    """Measure a finished run as `evaluation` says, by today's protocol, and record that on the same run.

    A run whose artifacts are lost or damaged keeps what it has, and the result says why.
    """
    client = store.connect(uri)
    tracked = client.get_run(run_id)
    values: Mapping[str, float] = {}
    status, reason = "finished", ""
    try:
        values = _score(client, tracked, Evaluation(**evaluation))
    except Exception as error:  # a lost or damaged artifact raises many kinds, and the other runs go on
        log.error("run %s cannot be measured again: %s", run_id, one_line(error))
        status, reason = (
            "failed",
            f"it cannot be measured again ({one_line(error, most=200)}): delete it in MLflow to train it anew",
        )
    tags = tracked.data.tags
    return RunResult(
        run_id=run_id, variant=tags["variant"], dataset=tags["dataset"], seed=int(tags["seed"]), status=status, reason=reason, values=values
    )


def _score(client: MlflowClient, tracked: Run, evaluation: Evaluation) -> Mapping[str, float]:
    run_id = tracked.info.run_id
    artifacts = Artifacts(client, {run_id: tracked.info.artifact_uri})
    config = config_of(run_id, artifacts).model_copy(update={"evaluation": evaluation})
    evaluator = Evaluator(DATASETS.get(config.dataset), samples=evaluation.samples)
    measurement = _measured(restored(tracked, artifacts), evaluator, evaluation)
    if artifacts.get(run_id, results.BEST_WEIGHTS) is not None:
        best = _measured(restored(tracked, artifacts, weights="best"), evaluator, evaluation)
        measurement = replace(measurement, values={**measurement.values, **{f"{BEST}{key}": value for key, value in best.values.items()}})
    protocol = _protocol(artifacts, run_id, evaluator)
    run_log = _open_log(client, artifacts, run_id, measurement, protocol)
    _withdraw(client, tracked, measurement)
    run_log.artifact(results.CONFIG, config.canonical().encode())
    run_log.json(results.EVIDENCE, _evidence(artifacts, run_id, measurement))
    run_log.json(results.PROTOCOL, protocol)
    run_log.finish("finished")
    run_log.tag(protocol=evaluator.protocol_hash)  # last: a process killed before this is measured again
    return measurement.values


def _measured(generator: Generator, evaluator: Evaluator, evaluation: Evaluation) -> Measurement:
    images = generator.sample(evaluator.n, batch_size=evaluation.batch_size)
    with limited_threads(generator.config.threads):
        return evaluator.full(images)


def _open_log(client: MlflowClient, artifacts: Artifacts, run_id: str, measurement: Measurement, protocol: Mapping[str, Any]) -> RunLog:
    """The run's log with its old curve, in which each metric has but one protocol, and the new values at its end."""
    path = artifacts.get(run_id, results.CURVES)
    if path is None:
        raise UserError(f"the run {run_id} has no {results.CURVES}")
    curve = pd.read_parquet(path)
    end, seconds = int(curve["images"].max()), float(curve["seconds"].max())
    before = (artifacts.read_json(run_id, results.PROTOCOL) or {}).get("metrics", {})
    alike = [key for key in measurement.values if before.get(key) == protocol["metrics"].get(key)]
    replaced = curve["key"].isin(measurement.values) & ~(curve["key"].isin(alike) & (curve["images"] < end))
    run_log = RunLog(client, run_id, resumed=True)
    run_log.load_state_dict({"points": curve[~replaced].to_numpy().tolist(), "seconds": 0.0})
    run_log.points(measurement.values, images=end, train_seconds=seconds)
    return run_log


def _withdraw(client: MlflowClient, tracked: Run, measurement: Measurement) -> None:
    """Metrics that had a number and have none now become not-a-number: MLflow would go on showing the old one."""
    from mlflow.entities import Metric

    run_id, had = tracked.info.run_id, tracked.data.metrics
    lost = [key for key, value in measurement.values.items() if not math.isfinite(value) and key in had]
    if lost:
        end = max(metric.step for key in lost for metric in client.get_metric_history(run_id, key))
        client.log_batch(run_id, metrics=[Metric(key, math.nan, int(time.time() * 1000), end) for key in lost])


def _protocol(artifacts: Artifacts, run_id: str, evaluator: Evaluator) -> dict[str, Any]:
    """Today's protocol; what else the run measured keeps its own."""
    before = artifacts.read_json(run_id, results.PROTOCOL) or {}
    metrics = {**before.get("metrics", {}), **evaluator.protocol()}
    return {**before, "metrics": metrics, "all": evaluator.protocol_hash}


def _evidence(artifacts: Artifacts, run_id: str, measurement: Measurement) -> dict[str, Any]:
    """The evidence of this measurement over what else is known of the run."""
    before = artifacts.read_json(run_id, results.EVIDENCE) or {}
    kept = {key: reason for key, reason in before.get("reasons", {}).items() if key not in measurement.values}
    return {**before, **measurement.evidence, "reasons": {**kept, **measurement.reasons}}
