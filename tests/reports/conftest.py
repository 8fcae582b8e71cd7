"""Fixtures with results for the tests of the report."""

from __future__ import annotations

import pytest
from synthetic_results import QUICK, SyntheticRun, complete, references, results

from bench.tracking.results import Results
from reports.build import build
from reports.document import Document


@pytest.fixture(scope="session")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Return results like those of the suite `quick`, with eight variants, three seeds, all metrics of images and all artifacts."""
    runs = [
        SyntheticRun(
            variant=name,
            seed=seed,
            fid=fid,
            columns={"note": "learning rates 5e-4 instead of the published"} if name.startswith("wgan") else {},
            log_odds=name not in ("wgan", "wgan-gp", "lsgan"),
        )
        for name, values in QUICK.items()
        for seed, fid in enumerate(values)
    ]
    return results(complete([*runs, *references()]), tmp_path_factory.mktemp("artifacts"))


@pytest.fixture(scope="session")
def quick_report(quick: Results) -> Document:
    """Return the whole report on these results."""
    return build(quick, title="Suite quick")
