"""Train the extractor `classifier` of a labelled dataset: `python -m bench.metrics.extractors.train fashion-mnist`.

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
from bench.metrics.extractors.classifier import ExtractorCard
from bench.metrics.extractors.classifier_training import command_for, train_extractor
from bench.metrics.extractors.training_plan import PLANS

log = logging.getLogger(__name__)
ASSETS = Path(__file__).parents[1] / "assets"


def main() -> None:
    """Train one extractor. Write its two files if it ships with the package, else cache it."""
    from bench.data import catalog  # noqa: F401 (registers the datasets)
    from bench.metrics.extractors.local import trained

    parser = argparse.ArgumentParser(prog="python -m bench.metrics.extractors.train", description=__doc__)
    parser.add_argument("dataset", help=f"dataset whose classifier ships with the package ({', '.join(PLANS)}), or any labelled dataset")
    parser.add_argument(
        "--out", type=Path, default=ASSETS, help="folder for the two files of a shipped classifier (others go to the cache)"
    )
    arguments = parser.parse_args()
    log_to(SafeConsole(stderr=True), logging.INFO)
    try:
        dataset = DATASETS.get(arguments.dataset)
        card = ship(dataset, arguments.out) if dataset.name in PLANS else trained(dataset).card
    except UserError as error:
        raise SystemExit(str(error)) from error
    log.info("%s: accuracy %.4f on the test split", card.dataset, card.accuracy)


def ship(dataset: Dataset, out: Path) -> ExtractorCard:
    """Train an extractor that ships with the package and write its two files."""
    card, weights = train_extractor(dataset, PLANS[dataset.name], command=command_for(dataset))
    card.write(out, weights)
    return card


if __name__ == "__main__":
    main()
