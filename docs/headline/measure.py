"""Measure Fréchet distances of generators and planted faults in the features of each candidate: writes distances.csv. judge.py judges them.

    ganbench suite catalogue --set budget.images=30000
    ganbench suite catalogue --extend 100000
    ganbench suite catalogue --set budget.images=30000 --dataset digits
    pip install 'ganbench[photo]'
    python docs/headline/measure.py

It takes about half an hour on one core beside the suites. It stores samples and features in build/headline, so a second call is fast.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from candidates import REPEATED, TEACHER, Candidate, candidates
from planted import Planted, planted_sets
from torch import Tensor

from bench.core.config import DATASETS
from bench.core.threads import limited_threads
from bench.data import catalog  # noqa: F401 (registers the datasets)
from bench.data.progress import progress
from bench.evaluation.evaluator import Evaluator, usual_samples
from bench.evaluation.generator import load_generator
from bench.evaluation.reference_rows import SAMPLES as REFERENCES
from bench.metrics.fidelity import Gaussian, fit_gaussian, frechet_distance
from bench.metrics.half_samples import draw_half_samples, rows_of
from bench.tracking import results, store

HERE = Path(__file__).parent
TABLE = HERE / "distances.csv"
CACHE = HERE.parents[1] / "build" / "headline"
DATA = ("fashion-mnist", "digits")
SAMPLES = 2_500  # of each set and of the test split, at most
PICTURED = 100  # images of each set that picture.py may draw
SPEED_IMAGES = 10_000
OTHER_SEED = 1  # of the latents of the other samples
BUDGET = "param:budget.images"  # column of the results


@dataclass(frozen=True, kw_only=True)
class ImageSet:
    """Images that are compared with the test images.

    `budget`: real training images of a generator. `severity`: of a planted fault. `others`: as many other samples of the generator.
    """

    dataset: str
    kind: str  # reference, generator or planted
    name: str
    images: Tensor
    budget: int = 0
    severity: float = 0.0
    others: Tensor | None = None

    @property
    def key(self) -> str:
        """Name of its files in the cache."""
        return f"{self.dataset}-{self.kind}-{self.name}-{self.budget}-{self.severity:g}".replace(" ", "-").replace("/", "-")


def main() -> None:
    """Measure every set by every candidate, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=SAMPLES, help=f"images of each set (default {SAMPLES:,})")
    samples = parser.parse_args().samples
    CACHE.mkdir(parents=True, exist_ok=True)
    with limited_threads(1):
        rows = [row for dataset in DATA for row in _rows(dataset, samples)]
    pd.DataFrame(rows).to_csv(TABLE, index=False, float_format="%.6g")
    print(f"wrote {TABLE}")


def _rows(name: str, samples: int) -> Iterator[Mapping[str, object]]:
    """Yield the rows of one dataset: a distance and its standard error for each set and candidate, then the seconds of each candidate."""
    dataset = DATASETS.get(name)
    n = min(samples, usual_samples(dataset))
    sets = [*_generators(name, n), *_planted(name, n)]
    for each in sets:
        torch.save(each.images[:PICTURED].clone(), CACHE / f"{each.key}.pt")
    chosen = candidates(dataset)
    test = dataset.split("test").data[:n]
    with progress(f"features of {name}", len(chosen) * len(sets)) as advance:
        for candidate in chosen:
            real = fit_gaussian(_features(candidate, f"{name}-test", test))
            for each in sets:
                features = _features(candidate, each.key, each.images)
                row = {"dataset": name, "kind": each.kind, "name": each.name, "budget": each.budget, "severity": each.severity}
                distance = frechet_distance(fit_gaussian(features), real)
                yield row | {"candidate": candidate.name, "distance": distance, "standard_error": _standard_error(features, real)}
                if candidate.name == TEACHER and each.others is not None:
                    others = _features(candidate, f"{each.key}-others", each.others)
                    yield row | {"candidate": REPEATED, "distance": frechet_distance(fit_gaussian(others), real)}
                advance(1)
    for candidate in chosen:
        yield {
            "dataset": name,
            "kind": "seconds",
            "name": f"{SPEED_IMAGES} images",
            "candidate": candidate.name,
            "distance": _seconds(candidate, test),
        }


def _generators(dataset: str, n: int) -> Iterator[ImageSet]:
    """Yield samples of all finished runs of a dataset with seed 0 in the store."""
    uri = store.tracking_uri()
    runs = results.load(uri).runs
    runs = runs[(runs["kind"] == "run") & (runs["status"] == "finished") & (runs["dataset"] == dataset) & (runs["seed"].astype(str) == "0")]
    runs = runs.assign(budget=runs[BUDGET].astype(int)).drop_duplicates(["variant", "budget"]).sort_values(["budget", "variant"])
    with progress(f"samples of {dataset}", len(runs)) as advance:
        for run in runs.itertuples():
            file = CACHE / f"{run.run_id}-{n}.pt"
            if not file.exists():
                generator = load_generator(run.run_id, uri)
                torch.save([generator.sample(n), generator.sample(n, seed=OTHER_SEED)], file)
            images, others = torch.load(file, weights_only=True)
            yield ImageSet(dataset=dataset, kind="generator", name=str(run.variant), images=images, budget=int(run.budget), others=others)
            advance(1)


def _planted(dataset: str, n: int) -> Iterator[ImageSet]:
    data = DATASETS.get(dataset)
    references = {kind: make(Evaluator(data, samples=n)).data for kind, make in REFERENCES.items()}
    for kind, images in references.items():
        yield ImageSet(dataset=dataset, kind="reference", name=kind, images=images)
    faults: Iterator[Planted] = planted_sets(data, references["real"])
    for fault in faults:
        yield ImageSet(dataset=dataset, kind="planted", name=fault.name, images=fault.images, severity=fault.severity)


def _features(candidate: Candidate, key: str, images: Tensor) -> Tensor:
    """Return the features of a set. Those of the teacher, which take long, are stored."""
    if candidate.name != TEACHER:
        return candidate.features(images)
    file = CACHE / f"{key}-{len(images)}-{candidate.name}.pt"
    if not file.exists():
        torch.save(candidate.features(images), file)
    found: Tensor = torch.load(file, weights_only=True)
    return found


def _standard_error(features: Tensor, real: Gaussian) -> float:
    """Return the standard deviation of the distance over half-samples."""
    distances = [frechet_distance(fit_gaussian(features[rows_of(pairs)]), real) for pairs in draw_half_samples(len(features))]
    return float(torch.tensor(distances).std()) if features.shape[1] <= 256 else float("nan")


def _seconds(candidate: Candidate, images: Tensor) -> float:
    """Return the seconds of one core for SPEED_IMAGES images, the least of three measurements of a tenth of them."""
    part = images.repeat(SPEED_IMAGES // 10 // len(images) + 1, 1, 1, 1)[: SPEED_IMAGES // 10]
    times = []
    for _ in range(3):
        started = time.perf_counter()
        candidate.features(part)
        times.append(time.perf_counter() - started)
    return 10 * min(times)


if __name__ == "__main__":
    main()
