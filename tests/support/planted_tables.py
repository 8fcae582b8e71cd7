"""Measured tables of docs/metrics.md, as markdown.

    OMP_NUM_THREADS=1 PYTHONPATH=tests/support .venv/bin/python -m planted_tables [DATASET]
    OMP_NUM_THREADS=1 PYTHONPATH=tests/support .venv/bin/python -m planted_tables errors
    OMP_NUM_THREADS=1 PYTHONPATH=tests/support .venv/bin/python -m planted_tables photo

For Fashion-MNIST on one core, each of the commands takes five minutes.
`tests/bench/metrics/test_planted.py` compares the documented values with new measurements.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Mapping, Sequence

import pandas as pd
import torch
from planted import FAILURES, Failure, real
from planted_paths import Planted

from bench.core.config import DATASETS
from bench.core.spec import Dataset
from bench.evaluation.evaluator import Evaluator
from bench.evaluation.reference_rows import KINDS, reference_row
from bench.metrics.columns import SE, card

Values = Mapping[str, float]
TINY = 1e-9  # rounding errors of zeros
MOST_DIGITS = 4
SETS, SET_IMAGES, SETS_WITH_ERRORS = 30, 2_000, 6  # of the table of standard errors
NOISE_LEVELS = 16
SCALE_HEADING, FAILURES_HEADING, PHOTO_HEADING = (
    "Reference rows",
    "Sensitivity to known faults",
    "The extractor photo",
)  # in docs/metrics.md
PHOTO_IMAGES = 2_500
PHOTO_COLUMNS = ("quality/fid_photo", "quality/kid_photo", "quality/fid_distilled", "quality/fid_classifier", "quality/frechet_pixels")
PHOTO_ROWS = (
    ("classes lost", 3.0), ("each image repeated", 10.0), ("blur", 0.5), ("blur", 1.0), ("blur", 2.0), ("blur", 4.0), ("noise", 8.0), ("noise", 16.0),
    ("noise", 32.0), ("negatives", 0.25), ("plain noise", 0.25), ("grey blobs", 0.25), ("checkerboard", 8.0),
)  # fmt: skip  # failure, severity

COLUMNS = (
    "quality/fid_distilled", "quality/fid_classifier", "quality/kid_classifier", "quality/classifier_score", "quality/precision_classifier",
    "quality/recall_classifier", "quality/density_classifier", "quality/coverage_classifier", "quality/clipped_density_classifier",
    "quality/clipped_coverage_classifier", "quality/nn_accuracy_generated_classifier", "quality/nn_accuracy_real_classifier",
    "quality/frechet_pixels", "quality/spectrum", "quality/spectrum_high",
    "diversity/pairwise_distance", "diversity/ms_ssim_2", "diversity/vendi_score", "diversity/class_vendi",
    "diversity/class_vendi_least", "diversity/duplicate_rate", "modes/classes_covered",
    "modes/class_kl", "modes/ndb", "modes/collapse", "memorisation/authenticity", "memorisation/ct_score",
)  # fmt: skip


def label(failure: Failure, severity: float) -> str:
    """Return the title of a row in the table of failures."""
    return f"{failure.name} {severity:g}"


def failure_rows(measured: Planted) -> dict[str, Values]:
    """Return the rows of the table of failures. The real images, the first severity of most failures, occur only in the first row."""
    start = real(measured.evaluator.dataset, measured.evaluator.n)
    rows = {"real": measured.measure(start).values}
    for failure, severity in ((each, severity) for each in FAILURES for severity in each.severities):
        found = measured.of(failure, severity).values
        if severity != failure.severities[0] or found is not rows["real"]:
            rows[label(failure, severity)] = found
    return rows


def titled(key: str) -> str:
    """Return the title of a metric in a table."""
    return f"{card(key).title} {card(key).arrow}".strip()


def number(value: float) -> str:
    """Return a value with three digits, a dash for an undetermined value, or 0 for a rounding error."""
    if math.isnan(value):
        return "–"
    return f"{value:.0f}" if abs(value) >= 1000 or abs(value) < TINY else f"{value:.3g}"


def with_error(value: float, error: float) -> str:
    """Return a value rounded to its standard error, and the error with two digits."""
    if not (math.isfinite(error) and error >= TINY):
        return number(value) + (" ± 0" if math.isfinite(error) else "")
    digits = min(MOST_DIGITS, max(0, 1 - math.floor(math.log10(error))))
    least = 10.0**-MOST_DIGITS
    return f"{value:.{digits}f} ± " + (f"{error:.{digits}f}" if error >= least else f"<{least:.{MOST_DIGITS}f}")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a markdown table. The first column is text."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def read_table(page: str, heading: str) -> dict[str, dict[str, str]]:
    """Return the first table under a heading of a page as {first cell: {column: cell}}."""
    text = page.split(f"## {heading}\n", 1)[1]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in _first_table(text.splitlines())]
    return {line[0]: dict(zip(lines[0][1:], line[1:], strict=True)) for line in lines[2:]}


def _first_table(lines: Sequence[str]) -> list[str]:
    started = itertools.dropwhile(lambda line: not line.startswith("|"), lines)
    return list(itertools.takewhile(lambda line: line.startswith("|"), started))


def scale_table(rows: Mapping[str, Values]) -> str:
    """Return a table of all metrics of some measurements, with standard errors."""
    keys = [key for key in next(iter(rows.values())) if not key.endswith(SE)]
    cells = [[titled(key), *(with_error(values[key], values.get(f"{key}{SE}", math.nan)) for values in rows.values())] for key in keys]
    return table(["", *rows], cells)


def photo_evaluator(dataset: Dataset) -> Evaluator:
    """Return the evaluator of the table of the extractor photo."""
    return Evaluator(dataset, samples=PHOTO_IMAGES, errors=False, photo=True, metrics=PHOTO_COLUMNS)


def photo_table(dataset: Dataset) -> str:
    """Return a table of planted failures by the extractor photo and by two others."""
    failures, measured = {each.name: each for each in FAILURES}, Planted(photo_evaluator(dataset))
    rows = {"real": measured.measure(real(dataset, PHOTO_IMAGES)).values}
    rows |= {label(failures[name], severity): measured.of(failures[name], severity).values for name, severity in PHOTO_ROWS}
    cells = [[name, *(number(values[key]) for key in PHOTO_COLUMNS)] for name, values in rows.items()]
    return table(["", *map(titled, PHOTO_COLUMNS)], cells)


def failure_table(rows: Mapping[str, Values]) -> str:
    """Return a table of the main metrics of planted failures, with a row for each severity."""
    keys = [key for key in COLUMNS if key in next(iter(rows.values()))]
    cells = [[name, *(number(values[key]) for key in keys)] for name, values in rows.items()]
    return table(["", *map(titled, keys)], cells)


def error_table(dataset: Dataset) -> str:
    """Return a table of spreads over disjoint sets of real and of noisy images, and of the estimated standard errors."""
    sets = real(dataset, SETS * SET_IMAGES).split(SET_IMAGES)
    noise = torch.Generator().manual_seed(0)
    noisy = [(part + NOISE_LEVELS * torch.randn(part.shape, generator=noise)).round().clamp(0, 255).to(torch.uint8) for part in sets]
    plain = Evaluator(dataset, samples=SET_IMAGES, errors=False)
    with_errors = Evaluator(dataset, samples=SET_IMAGES)
    columns: list[dict[str, float]] = []
    for images in (sets, noisy):
        found = pd.DataFrame([plain.full(part).values for part in images])
        errors = pd.DataFrame([with_errors.full(part).values for part in images[:SETS_WITH_ERRORS]])
        columns += [dict(found.mean()), dict(found.std()), {key: errors.get(f"{key}{SE}", pd.Series(dtype=float)).mean() for key in found}]
    keys = [key for key in columns[0] if all(abs(column[key]) > TINY for column in columns)]
    rows = [[card(key).title, *(number(column[key]) for column in columns)] for key in keys]
    return table(["", "real", "sd", "half-samples", f"noise {NOISE_LEVELS}", "sd", "half-samples"], rows)


def main(name: str = "fashion-mnist") -> None:
    """Measure a dataset and print its tables."""
    if name in ("errors", "photo"):
        write = {"errors": error_table, "photo": photo_table}[name]
        sys.stdout.write(write(DATASETS.get("fashion-mnist")) + "\n")
        return
    evaluator = Evaluator(DATASETS.get(name))
    rows = {kind: reference_row(kind, evaluator).measurement.values for kind in KINDS}
    measured = Planted(Evaluator(DATASETS.get(name), errors=False))
    sys.stdout.write(f"{scale_table(rows)}\n\n{failure_table(failure_rows(measured))}\n")


if __name__ == "__main__":
    main(*sys.argv[1:2])
