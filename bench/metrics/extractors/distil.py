"""Train the extractor `distilled` of a dataset: `python -m bench.metrics.extractors.distil fashion-mnist`. It needs the extra `photo`.

The same command on the same machine with the same version of torch writes the same bytes. New weights change the evaluation
protocol: do not compare metrics of old and new weights.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from bench.core.config import DATASETS
from bench.core.errors import UserError
from bench.core.spec import Dataset
from bench.core.terminal import SafeConsole, log_to
from bench.data.progress import progress
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
    parser.add_argument("--out", type=Path, default=ASSETS, help="folder for the two files")
    arguments = parser.parse_args()
    log_to(SafeConsole(stderr=True), logging.INFO)
    try:
        ensure_weights()
        card = ship(DATASETS.get(arguments.dataset), arguments.out)
    except UserError as error:
        raise SystemExit(str(error)) from error
    log.info("%s: %.0f %% of the teacher's variance explained on held-out images", card.dataset, 100 * (1 - card.unexplained))


def ship(dataset: Dataset, out: Path) -> DistilledCard:
    """Train the network of a dataset and write its two files."""
    plan = PLANS[dataset.name]
    command = f"python -m bench.metrics.extractors.distil {dataset.name}"
    images = min(plan.images, len(dataset.split("train"))) + plan.corrupted_images
    with progress(f"distilling the network of {dataset.title}", images * (1 + plan.epochs)) as advance:
        card, weights = distil(dataset, plan, photo_features, teacher_sha256=SHA256, command=command, advance=advance)
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{card.dataset}.safetensors").write_bytes(weights)
    (out / f"{card.dataset}.json").write_text(card.model_dump_json(indent=2) + "\n")
    return card


if __name__ == "__main__":
    main()
