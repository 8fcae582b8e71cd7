"""A finished run measured again from its weights, where the protocol has changed since. Trains nothing."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from bench import results, store
from bench.assemble import assemble
from bench.checkpoint import load_weights
from bench.config import DATASETS, load_config
from bench.environment import device_of
from bench.errors import UserError
from bench.evaluate import Evaluator, sample
from bench.results import Artifacts
from bench.run import RunResult, limited_threads
from bench.tracking import RunLog


def score(run_id: str, uri: str) -> RunResult:
    """Measure a finished run by today's protocol and record that on the same run."""
    client = store.connect(uri)
    tracked = client.get_run(run_id)
    artifacts = Artifacts(client, {run_id: tracked.info.artifact_uri})
    config = load_config(_needed(artifacts, run_id, results.CONFIG).read_text(encoding="utf-8"))
    dataset = DATASETS.get(config.dataset)
    evaluator = Evaluator(dataset, samples=config.evaluation.samples)
    device = device_of(config.device)
    with limited_threads(config.threads):
        networks, _ = assemble(config, dataset.spec)
        load_weights(networks, _needed(artifacts, run_id, results.WEIGHTS).read_bytes())
        networks.to(device)
        images = sample(networks, n=evaluator.n, seed=config.seed, batch_size=config.evaluation.batch_size, device=device)
        measurement = evaluator.full(images)
    log = RunLog(client, run_id, resumed=True)
    curve = pd.read_parquet(_needed(artifacts, run_id, results.CURVES))
    kept = curve[~curve["key"].isin(measurement.values)]  # earlier measurements followed the old protocol
    log.load_state_dict({"points": kept.to_numpy().tolist(), "seconds": 0.0})
    log.points(measurement.values, images=int(curve["images"].max()), train_seconds=float(curve["seconds"].max()))
    evidence = artifacts.read_json(run_id, results.EVIDENCE) or {}
    log.json(results.EVIDENCE, {**evidence, **measurement.evidence, "reasons": dict(measurement.reasons)})
    log.json(results.PROTOCOL, {"metrics": evaluator.protocol(), "all": evaluator.protocol_hash})
    log.tag(protocol=evaluator.protocol_hash)
    log.finish("finished")
    return RunResult(
        run_id=run_id, variant=config.variant, dataset=config.dataset, seed=config.seed, status="finished", values=measurement.values
    )


def _needed(artifacts: Artifacts, run_id: str, path: str) -> Path:
    found = artifacts.get(run_id, path)
    if found is None:
        raise UserError(f"run {run_id} has no {path}, so it cannot be measured again")
    return found
