"""Sample half-trained generators of the ten variants by which the headline metric was chosen. The distilled network learns from these images, too.

ganbench suite catalogue --only "$TEN" --set budget.images=1000     # TEN: the variants in judge.CHOOSE, separated by commas
for n in 2000 4000 8000 16000 30000 60000 100000; do ganbench suite catalogue --only "$TEN" --extend $n; done
python docs/headline/half_trained.py fashion-mnist                  # writes build/headline/half-trained-fashion-mnist.safetensors
python -m bench.metrics.extractors.distil fashion-mnist --generated build/headline/half-trained-fashion-mnist.safetensors
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from judge import CHOOSE
from safetensors.torch import save_file

from bench.core.threads import limited_threads
from bench.data.progress import progress
from bench.evaluation.generator import load_generator
from bench.tracking import results, store

FOLDER = Path(__file__).parents[2] / "build" / "headline"
SAMPLES = 1_000  # of each generator


def main() -> None:
    """Write samples of all finished runs of these variants with seed 0 in the store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", help="dataset of the runs")
    dataset = parser.parse_args().dataset
    uri = store.tracking_uri()
    runs = results.load(uri).runs
    chosen = (runs["kind"] == "run") & (runs["status"] == "finished") & (runs["dataset"] == dataset) & (runs["seed"].astype(str) == "0")
    runs = runs[chosen & runs["variant"].isin(CHOOSE)]
    runs = runs.assign(budget=runs["param:budget.images"].astype(int)).drop_duplicates(["variant", "budget"])
    samples = []
    with limited_threads(1), progress(f"samples of {dataset}", len(runs)) as advance:
        for run in runs.sort_values(["budget", "variant"]).itertuples():
            samples.append(load_generator(run.run_id, uri).sample(SAMPLES))
            advance(1)
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"half-trained-{dataset}.safetensors"
    save_file({"images": torch.cat(samples)}, path)
    print(f"{len(samples)} generators, {SAMPLES * len(samples):,} images: {path}")


if __name__ == "__main__":
    main()
