"""A finished run measured again from its weights, where the protocol has changed since. Trains nothing."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from bench import results, store
from bench.assemble import assemble
from bench.checkpoint import load_weights
from bench.config import DATASETS, Evaluation, load_config
from bench.environment import device_of
from bench.errors import UserError, one_line
from bench.evaluate import Evaluator, sample
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
    config = load_config(_needed(artifacts, run_id, results.CONFIG).read_text(encoding="utf-8"))
    config = config.model_copy(update={"evaluation": evaluation})
    dataset = DATASETS.get(config.dataset)
    evaluator = Evaluator(dataset, samples=evaluation.samples)
    device = device_of(config.device)
    with limited_threads(config.threads):
        networks, _ = assemble(config, dataset.spec)
        load_weights(networks, _needed(artifacts, run_id, results.WEIGHTS).read_bytes())
        networks.to(device)
        images = sample(networks, n=evaluator.n, seed=config.seed, batch_size=evaluation.batch_size, device=device)
        measurement = evaluator.full(images)
    run_log = RunLog(client, run_id, resumed=True)
    curve = pd.read_parquet(_needed(artifacts, run_id, results.CURVES))
    kept = curve[~curve["key"].isin(measurement.values)]  # earlier measurements followed the old protocol
    run_log.load_state_dict({"points": kept.to_numpy().tolist(), "seconds": 0.0})
    run_log.points(measurement.values, images=int(curve["images"].max()), train_seconds=float(curve["seconds"].max()))
    evidence = artifacts.read_json(run_id, results.EVIDENCE) or {}
    run_log.artifact(results.CONFIG, config.canonical().encode())
    run_log.json(results.EVIDENCE, {**evidence, **measurement.evidence, "reasons": dict(measurement.reasons)})
    run_log.json(results.PROTOCOL, {"metrics": evaluator.protocol(), "all": evaluator.protocol_hash})
    run_log.finish("finished")
    run_log.tag(protocol=evaluator.protocol_hash)  # last: a process killed before this is measured again
    return measurement.values


def _needed(artifacts: Artifacts, run_id: str, path: str) -> Path:
    found = artifacts.get(run_id, path)
    if found is None:
        raise UserError(f"run {run_id} has no {path}, so it cannot be measured again")
    return found
