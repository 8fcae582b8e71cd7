"""The rows for scale: real training images, and an untrained generator, measured like anybody's images and stored once."""

from __future__ import annotations

import time

import torch

from bench import results
from bench.assemble import assemble
from bench.config import DATASETS, config_for
from bench.environment import device_of
from bench.evaluate import Evaluator, reference_images, sample
from bench.pictures import fixed_latents, grid_of, grid_png
from bench.run import RunResult, limited_threads
from bench.tracking import Tracker

KINDS = {
    "real": "as many real training images, measured against the test split like anybody's",
    "untrained": "an untrained DCGAN generator, seed 0",
}
UNTRAINED_VARIANT = "dcgan"


def reference_is_there(uri: str, kind: str, evaluator: Evaluator) -> bool:
    """Whether that row has been measured on this data by this protocol."""
    return bool(Tracker(uri, results.REFERENCES).find_reference(kind, evaluator.dataset.name, evaluator.protocol_hash))


def measure_reference(kind: str, dataset_name: str, samples: int, uri: str) -> RunResult:
    """Measure one reference row and record it."""
    dataset = DATASETS.get(dataset_name)
    evaluator = Evaluator(dataset, samples=samples)
    device = device_of("cpu")
    with limited_threads(1):
        started = time.perf_counter()
        images, grid = _real(evaluator) if kind == "real" else _untrained(evaluator, device)
        measurement = evaluator.full(images)
        seconds = time.perf_counter() - started
    tags = {
        "kind": "reference", "variant": kind, "idea": KINDS[kind], "dataset": dataset.name, "seed": "0",
        "protocol": evaluator.protocol_hash, "claims": str(dataset.claims).lower(), "device": "cpu",
    }  # fmt: skip
    log = Tracker(uri, results.REFERENCES).start_run(f"{kind}-{dataset.name}", tags, {"dataset": dataset.name})
    log.json(results.PROTOCOL, {"metrics": evaluator.protocol(), "all": evaluator.protocol_hash})
    log.json(results.EVIDENCE, {**measurement.evidence, "reasons": dict(measurement.reasons)})
    log.artifact(results.FINAL_GRID, grid)
    log.points({**measurement.values, "perf/evaluate_seconds": seconds}, images=0, train_seconds=0.0)
    log.finish("finished")
    return RunResult(run_id=log.run_id, variant=kind, dataset=dataset.name, seed=0, status="finished", values=measurement.values)


def _real(evaluator: Evaluator) -> tuple[torch.Tensor, bytes]:
    images = reference_images(evaluator.dataset, evaluator.n)
    return images, grid_of(images)


def _untrained(evaluator: Evaluator, device: torch.device) -> tuple[torch.Tensor, bytes]:
    networks, _ = assemble(config_for(UNTRAINED_VARIANT), evaluator.dataset.spec)
    images = sample(networks, n=evaluator.n, seed=0, batch_size=500, device=device)
    return images, grid_png(networks, fixed_latents(networks, device))
