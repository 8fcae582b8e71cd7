"""The measured tables of docs/metrics.md, as markdown:

    OMP_NUM_THREADS=1 PYTHONPATH=tests/support .venv/bin/python -m planted_tables [DATASET]

About ten minutes for Fashion-MNIST on one core. `tests/bench/test_planted.py` compares documented values with fresh ones.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence

from planted import FAILURES
from planted_paths import Planted

from bench.cards import SE, card
from bench.config import DATASETS
from bench.evaluate import Evaluator
from bench.references import KINDS, reference_row

Values = Mapping[str, float]

COLUMNS = (
    "quality/fid_classifier", "quality/kid_classifier", "quality/classifier_score", "quality/precision_classifier",
    "quality/recall_classifier", "quality/density_classifier", "quality/coverage_classifier", "quality/frechet_pixels",
    "diversity/pairwise_distance", "diversity/ms_ssim_2", "diversity/vendi_score", "diversity/duplicate_rate", "modes/classes_covered",
    "modes/class_kl", "modes/ndb", "modes/collapse", "memorisation/authenticity", "memorisation/ct_score",
)  # fmt: skip


def label(failure: str, severity: float) -> str:
    """What a row of the table of failures is called."""
    return f"{failure} {severity:g}"


def titled(key: str) -> str:
    """A metric as a table heads it."""
    return f"{card(key).title} {card(key).arrow}".strip()


def number(value: float) -> str:
    """Three digits; a dash for what could not be determined, 0 for what is 0 but for rounding."""
    if math.isnan(value):
        return "–"
    return "0" if abs(value) < 1e-9 else f"{value:.3g}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A markdown table; the first column is text."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def scale_table(rows: Mapping[str, Values]) -> str:
    """Every metric of some measurements, with standard errors."""
    keys = [key for key in next(iter(rows.values())) if not key.endswith(SE)]
    cells = [[titled(key), *(_with_error(values, key) for values in rows.values())] for key in keys]
    return table(["", *rows], cells)


def failure_table(found: Mapping[tuple[str, float], Values]) -> str:
    """The main metrics of every planted failure: a row for each severity."""
    keys = [key for key in COLUMNS if key in next(iter(found.values()))]
    rows = [[label(*which), *(number(values[key]) for key in keys)] for which, values in found.items()]
    return table(["", *map(titled, keys)], rows)


def _with_error(values: Values, key: str) -> str:
    error = values.get(f"{key}{SE}", math.nan)
    return number(values[key]) + (f" ± {error:.2g}" if math.isfinite(error) else "")


def main(name: str = "fashion-mnist") -> None:
    """Measure a data set and print its tables."""
    evaluator = Evaluator(DATASETS.get(name))
    rows = {kind: reference_row(kind, evaluator).measurement.values for kind in KINDS}
    measured = Planted(Evaluator(DATASETS.get(name), errors=False))
    failures = {
        (failure.name, severity): measured.of(failure, severity).values for failure in FAILURES for severity in failure.severities
    }
    sys.stdout.write(f"{scale_table(rows)}\n\n{failure_table(failures)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:2])
