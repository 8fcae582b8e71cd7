"""Train the extractor `distilled` of a dataset: `python -m bench.metrics.extractors.distil fashion-mnist`. It needs the extra `photo`.

The same command on the same machine with the same version of torch writes the same bytes. New weights change the evaluation
protocol: do not compare metrics of old and new weights.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from bench.core.config import DATASETS
from bench.core.errors import UserError, one_line
from bench.core.spec import Dataset
from bench.core.terminal import SafeConsole, log_to
from bench.data.progress import progress
from bench.metrics.extractors.base import check_images
from bench.metrics.extractors.distillation import PLANS, distil
from bench.metrics.extractors.distilled import DistilledCard
from bench.metrics.extractors.photo import SHA256, ensure_weights, photo_features

log = logging.getLogger(__name__)
ASSETS = Path(__file__).parents[1] / "assets" / "distilled"


def main() -> None:
    """Train one network and write its two files."""
    from bench.data import catalog  # noqa: F401 (registers the datasets)

    parser = argparse.ArgumentParser(prog="python -m bench.metrics.extractors.distil", description=__doc__)
    parser.add_argument("dataset", choices=sorted(PLANS), help="dataset whose distilled network ships with the package")
    parser.add_argument(
        "--generated", type=Path, help="safetensors file with `images` of half-trained generators (docs/headline/half_trained.py)"
    )
    parser.add_argument("--out", type=Path, default=ASSETS, help="folder for the two files")
    arguments = parser.parse_args()
    log_to(SafeConsole(stderr=True), logging.INFO)
    try:
        ensure_weights()
        dataset = DATASETS.get(arguments.dataset)
        card = ship(dataset, read_generated(arguments.generated, dataset), arguments.out)
    except UserError as error:
        raise SystemExit(str(error)) from error
    log.info("%s: %.0f %% of the teacher's variance explained on held-out images", card.dataset, 100 * (1 - card.unexplained))


def read_generated(path: Path | None, dataset: Dataset) -> Tensor:
    """Return the images of a file, uint8 [N, C, H, W]. No file means no image. Raises UserError for other images."""
    if path is None:
        return torch.empty(0, *dataset.spec.shape, dtype=torch.uint8)
    try:
        images = load_file(path)["images"]
    except (OSError, KeyError, SafetensorError) as error:
        raise UserError(
            f"the generated images {one_line(path)} cannot be read: {one_line(error)}; give --generated a file that docs/headline/half_trained.py wrote"
        ) from error
    check_images(images, dataset.spec.shape, dataset.name)
    return images


def ship(dataset: Dataset, generated: Tensor, out: Path) -> DistilledCard:
    """Train the network of a dataset and write its two files."""
    plan = PLANS[dataset.name]
    command = f"python -m bench.metrics.extractors.distil {dataset.name}"
    images = min(plan.images, len(dataset.split("train"))) + plan.corrupted_images + len(generated)
    with progress(f"distilling the network of {dataset.title}", images * (1 + plan.epochs)) as advance:
        card, weights = distil(dataset, plan, photo_features, generated, teacher_sha256=SHA256, command=command, advance=advance)
    card.write(out, weights)
    return card


if __name__ == "__main__":
    main()
