"""Rescoring: measure a finished run again from its weights, after a change of the evaluation protocol. It trains nothing.

A run does not save its weights at evaluation points, so rescoring cannot measure those points again. A curve has values of one evaluation
protocol only. So rescoring moves points of an earlier protocol to a separate artifact. If a later rescoring uses that protocol again, it restores them.
"""

from __future__ import annotations

import io
import logging
import math
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from bench.core.config import DATASETS, Evaluation, RunConfig, short_hash
from bench.core.errors import UserError, one_line
from bench.core.threads import limited_threads
from bench.evaluation.evaluator import OF_NETWORKS, Evaluator, Measurement, evaluator_for, unmeasurable
from bench.evaluation.generator import RecordedGenerator, config_of, needed, restored
from bench.evaluation.grids import nearest_png
from bench.evaluation.samples import draw_samples
from bench.metrics.columns import BEST, FID_CLASSIFIER, SE, TRAIN_SECONDS
from bench.metrics.columns.recorded import described
from bench.runs.preparation import curve_protocol, warn_without_labels
from bench.runs.types import RunResult
from bench.tracking import results, store
from bench.tracking.artifacts import Artifacts, DamagedArtifact
from bench.tracking.journal import RunJournal
from bench.tracking.run_logger import RunLog
from bench.tracking.tags import seed_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

log = logging.getLogger(__name__)

POINT = ["images", "seconds", "key", "value"]  # columns of a curve


def score(run_id: str, uri: str, evaluation: Evaluation) -> RunResult:
    """Measure a finished run with the current evaluation protocol and the settings of `evaluation`. Record the values in the same run.

    If an artifact of the run is missing or damaged, the run does not change, and the result has the reason.
    """
    client = store.connect(uri)
    tracked = client.get_run(run_id)
    values: Mapping[str, float] = {}
    status, reason, headline = "finished", "", ""
    try:
        values, headline = _score(client, tracked, evaluation)
    except Exception as error:  # any error, so that the other runs are still measured
        why = one_line(error, most=200) or type(error).__name__
        log.error("cannot measure run %s again: %s", run_id, why)
        advice = ": delete it in MLflow to retrain it" if isinstance(error, DamagedArtifact) else ""
        status, reason = "failed", f"it cannot be measured again ({why}){advice}"
    tags = tracked.data.tags
    return RunResult(
        run_id=run_id, variant=tags.get("variant", ""), dataset=tags.get("dataset", ""), seed=seed_of(tags), status=status,
        reason=reason, values=values, headline=headline,
    )  # fmt: skip


def _score(client: MlflowClient, tracked: Run, evaluation: Evaluation) -> tuple[Mapping[str, float], str]:
    """Measure a run and record its values. Return them and the headline metric."""
    run_id = tracked.info.run_id
    artifacts = Artifacts(client, {run_id: tracked.info.artifact_uri})
    config = _with_evaluation(config_of(run_id, artifacts), evaluation)
    evaluator = evaluator_for(DATASETS.get(config.dataset), config.evaluation)
    if evaluator is None:
        raise UserError(f"no metric can be measured on {config.dataset}: {unmeasurable(DATASETS.get(config.dataset))}")
    last = restored(tracked, artifacts)
    warn_without_labels(config, last.networks)
    measurement = _measure_samples(last, evaluator, config.evaluation)
    if artifacts.get(run_id, results.BEST_WEIGHTS) is not None:
        best = _measure_samples(restored(tracked, artifacts, weights="best", device=str(last.device)), evaluator, config.evaluation)
        values = {**measurement.values, **{f"{BEST}{key}": value for key, value in best.values.items()}}
        measurement = replace(measurement, values=values, evidence={**measurement.evidence, "best": {"reasons": dict(best.reasons)}})
    protocol = _protocol(artifacts, run_id, evaluator, measurement)
    run_log = _open_log(client, artifacts, run_id, measurement, protocol, evaluator.headline)
    _clear_lost_metrics(client, tracked, measurement)
    run_log.artifact(results.CONFIG, config.canonical().encode())
    evidence = _evidence(artifacts, run_id, measurement, tracked.data.tags.get("headline") or FID_CLASSIFIER)
    run_log.json(results.EVIDENCE, evidence)
    if measurement.nearest is not None:
        run_log.artifact(results.NEAREST, nearest_png(measurement.nearest))
    run_log.finish("finished")
    run_log.json(results.PROTOCOL, protocol)
    if best := evidence.get("best", {}).get("metric"):
        run_log.tag(best_metric="" if best == evaluator.headline else best)
    # Last: if the process is killed before this, the next command measures the run again.
    run_log.tag(headline=evaluator.headline, protocol=evaluator.protocol_hash, curve_protocol=curve_protocol(evaluator))
    return measurement.values, evaluator.headline


def _with_evaluation(config: RunConfig, evaluation: Evaluation) -> RunConfig:
    """Return the run's configuration with the new evaluation settings. Evaluation points, `best` and the choice of metrics do not change."""
    settings = evaluation.model_dump(exclude={"marks", "best", "metrics"})
    return config.model_copy(update={"evaluation": config.evaluation.model_copy(update=settings)})


def _measure_samples(generator: RecordedGenerator, evaluator: Evaluator, evaluation: Evaluation) -> Measurement:
    with limited_threads(generator.config.threads):
        samples = draw_samples(
            evaluator, generator.networks, seed=generator.config.seed, batch_size=evaluation.batch_size, device=generator.device,
            stream=generator.stream,
        )  # fmt: skip
        return evaluator.full(samples.data, walks=samples.walks, labels=samples.labels, companions=samples.companions)


def _open_log(
    client: MlflowClient, artifacts: Artifacts, run_id: str, measurement: Measurement, protocol: Mapping[str, Any], headline: str
) -> RunLog:
    """Return the log of the run with its earlier curve and, at its end, the new values. Each metric has one evaluation protocol."""
    curve = _curve(artifacts, run_id)
    end, seconds = int(curve["images"].max()), float(curve["seconds"].max())
    before = artifacts.read_json(run_id, results.PROTOCOL) or {}
    old, new = before.get("metrics", {}), protocol["metrics"]
    changed = [key for key in measurement.values if old.get(key) != new.get(key)]
    midway = curve["images"] < end
    replaced = {
        *measurement.values,
        *(f"{key}{SE}" for key in measurement.values),
    }  # also standard errors that the new measurement does not have
    unchanged = curve[~curve["key"].isin(replaced) | (midway & ~curve["key"].isin(changed))]
    points = unchanged[POINT].to_numpy().tolist()
    if headline not in set(unchanged["key"]) and (stored := _stored_points(artifacts, run_id, new, headline)):
        points = sorted(points + stored, key=lambda point: int(point[0]))
    run_log = RunLog(client, RunJournal(run_id=run_id), resumed=True)
    if headline in changed:
        _store_points(run_log, curve[midway & (curve["key"] == headline)], old, headline)
        # Until the new curve is logged, the evaluation protocol of the headline metric is unknown.
        run_log.json(results.PROTOCOL, {**before, "metrics": {key: value for key, value in old.items() if key != headline}})
    run_log.load_state_dict({"run_id": run_id, "points": points, "seconds": 0.0})
    # Each run logs the train seconds once, at its end.
    run_log.end_at(max((point.step for point in client.get_metric_history(run_id, TRAIN_SECONDS)), default=None))
    run_log.points(measurement.values, images=end, train_seconds=seconds)
    return run_log


def _curve(artifacts: Artifacts, run_id: str) -> pd.DataFrame:
    """Return the curve of the run. Raises DamagedArtifact."""
    content = needed(artifacts, run_id, results.CURVES)
    try:
        return pd.read_parquet(io.BytesIO(content))[POINT]
    except (OSError, ValueError, KeyError, TypeError) as error:  # pyarrow's errors are among these
        raise DamagedArtifact(f"{results.CURVES} of the run {run_id} is damaged: {one_line(error, most=120)}") from error


def _history(protocols: Mapping[str, Any], headline: str) -> str:
    """Return the name of the artifact with earlier values at evaluation points, by these evaluation protocols."""
    return results.HISTORY.format(protocol=short_hash({headline: protocols.get(headline)}))


def _store_points(run_log: RunLog, points: pd.DataFrame, protocols: Mapping[str, Any], headline: str) -> None:
    """Log values at evaluation points as an artifact. Without values, log nothing, and do not overwrite an existing artifact."""
    if len(points):
        content = io.BytesIO()
        points[POINT].to_parquet(content, index=False)
        run_log.artifact(_history(protocols, headline), content.getvalue())


def _stored_points(artifacts: Artifacts, run_id: str, protocols: Mapping[str, Any], headline: str) -> list[list[Any]]:
    """Return the stored values of these evaluation protocols. The list is empty if the artifact is missing or, with a warning, damaged."""
    path = _history(protocols, headline)
    content = artifacts.read(run_id, path)
    if content is None:
        return []
    try:
        points = pd.read_parquet(io.BytesIO(content))[POINT]
    except (OSError, ValueError, KeyError) as error:  # pyarrow's errors are ValueErrors
        log.warning("run %s: %s is damaged, so the curve lacks those points: %s", run_id, path, one_line(error, most=120))
        return []
    return list(points[points["key"] == headline].to_numpy().tolist())


def _clear_lost_metrics(client: MlflowClient, tracked: Run, measurement: Measurement) -> None:
    """Log NaN for metrics that have lost their value. Without that, MLflow still shows the old value."""
    from mlflow.entities import Metric

    run_id, before = tracked.info.run_id, tracked.data.metrics
    now = measurement.values
    lost = [key for key, value in now.items() if not math.isfinite(value) and key in before]
    lost += [
        f"{key}{SE}" for key in now if math.isfinite(before.get(f"{key}{SE}", math.nan))
    ]  # of a run of an earlier version: now they are in its curve
    if lost:
        end = max(metric.step for key in lost for metric in client.get_metric_history(run_id, key))
        client.log_batch(run_id, metrics=[Metric(key, math.nan, int(time.time() * 1000), end) for key in lost], synchronous=True)


def _protocol(artifacts: Artifacts, run_id: str, evaluator: Evaluator, measurement: Measurement) -> dict[str, Any]:
    """Return the evaluation protocols of the run, with the current ones for the metrics of this measurement."""
    before = artifacts.read_json(run_id, results.PROTOCOL) or {}
    current = {key: found for key, found in evaluator.protocol(OF_NETWORKS).items() if key in measurement.values}
    metrics, cards = {**before.get("metrics", {}), **current}, {**before.get("cards", {}), **described(current)}
    return {**before, "metrics": metrics, "all": evaluator.protocol_hash, "cards": cards}


def _evidence(artifacts: Artifacts, run_id: str, measurement: Measurement, headline: str) -> dict[str, Any]:
    """Return the evidence of the run, updated by this measurement. `headline`: the metric that ranked the run before."""
    before = artifacts.read_json(run_id, results.EVIDENCE) or {}
    reasons = {key: reason for key, reason in before.get("reasons", {}).items() if key not in measurement.values}
    # The images of the best checkpoint, and the metric and value that chose it, stay the same.
    chosen = {"best": {"metric": headline, **before["best"], **measurement.evidence.get("best", {})}} if "best" in before else {}
    return {**before, **measurement.evidence, **chosen, "reasons": {**reasons, **measurement.reasons}}
