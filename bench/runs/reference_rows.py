"""Reference rows (`real`, `untrained`), which are recorded as runs. ganbench reads a row from the cache folder, or measures it."""

from __future__ import annotations

from bench.core.config import DATASETS, Evaluation
from bench.core.threads import limited_threads
from bench.evaluation.evaluator import OF_NETWORKS, Evaluator, evaluator_for
from bench.evaluation.grids import picture_of
from bench.evaluation.reference_rows import reference_row, reference_samples, row_hash, rows_of
from bench.metrics.columns.recorded import described
from bench.runs.origin import inputs_of, origin
from bench.runs.types import RunResult
from bench.tracking import logged_images, results
from bench.tracking.client import Lookup, Tracker

MADE_BY = "made_by"  # tag that identifies the definition of a row. Empty if a metric raised an error


def has_reference(rows: Lookup, kind: str, evaluator: Evaluator) -> bool:
    """Return whether the experiment has a row for this dataset and evaluation protocol, from the same images."""
    found = rows.find_reference(kind, evaluator.dataset.name, evaluator.protocol_hash)
    return any(run.data.tags.get(MADE_BY) == row_hash(kind, evaluator) for run in found)


def measure_reference(kind: str, dataset_name: str, evaluation: Evaluation, uri: str) -> RunResult:
    """Measure one reference row, record it, and return the result."""
    dataset = DATASETS.get(dataset_name)
    evaluator = evaluator_for(dataset, evaluation)
    if evaluator is None:
        raise ValueError(f"no metric can be measured on {dataset_name}")
    row = reference_row(kind, evaluator)
    tags = {
        "kind": "reference", "headline": evaluator.headline, "variant": kind, "idea": rows_of(dataset.spec)[kind], "dataset": dataset.name, "seed": "0",
        MADE_BY: "" if row.measurement.raised else row_hash(kind, evaluator),  # empty: the next command measures the row again
        "protocol": evaluator.protocol_hash, "claims": str(dataset.claims).lower(), "device": "cpu", **origin(),
    }  # fmt: skip
    log_ = Tracker(uri, results.REFERENCES).start_run(f"{kind}-{dataset.name}", tags, {"dataset": dataset.name})
    log_.inputs(inputs_of(dataset))
    metrics = {key: found for key, found in evaluator.protocol(OF_NETWORKS).items() if key in row.measurement.values}
    log_.json(results.PROTOCOL, {"metrics": metrics, "all": evaluator.protocol_hash, "cards": described(metrics)})
    log_.json(results.EVIDENCE, {**row.measurement.evidence, "reasons": dict(row.measurement.reasons)})
    grid = _picture(kind, evaluator)
    log_.artifact(results.FINAL_GRID, grid)
    log_.image(logged_images.SAMPLES, 0, grid)
    values = row.measurement.values
    log_.points({**values, "perf/evaluate_seconds": row.seconds}, images=0, train_seconds=0.0)
    log_.finish("finished")
    return RunResult(
        run_id=log_.run_id, variant=kind, dataset=dataset.name, seed=0, status="finished", values=values, headline=evaluator.headline
    )


def _picture(kind: str, evaluator: Evaluator) -> bytes:
    with limited_threads(1):
        return picture_of(reference_samples(kind, evaluator).data, evaluator.dataset)
