"""Outputs of a translation with planted failures of known severity, and their table in docs/metrics.md.

    OMP_NUM_THREADS=1 PYTHONPATH=tests/support .venv/bin/python -m planted_translation [DATASET]

The truth is a test image, and the input is its negative. A perfect network inverts the input, and translates back in the same way.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from planted_tables import TINY, number, table, titled
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from bench.core import random_streams
from bench.core.config import DATASETS
from bench.core.threads import limited_threads
from bench.evaluation.evaluator import Evaluator
from bench.metrics.columns import FID_CLASSIFIER
from bench.metrics.companions import Companions
from bench.metrics.evidence import Evidence
from bench.metrics.half_sample_evidence import add_half_samples

HEADING = "Known faults of translations"  # in docs/metrics.md
COLUMNS = (
    FID_CLASSIFIER, "fidelity/l1", "fidelity/psnr", "fidelity/ssim", "fidelity/feature_distance_classifier", "fidelity/class_accuracy",
    "cycle/l1", "cycle/l1_noisy", "diversity/per_input", "diversity/effective_share", "quality/checkerboard",
)  # fmt: skip
NOISE_LEVELS = 2.0  # grey levels: of the noise before a translation back


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A kind of failure. `make(truth, severity, draw)` returns the outputs for a draw of noise, uint8 [n, C, H, W]."""

    name: str
    severities: tuple[float, ...]
    make: Callable[[Tensor, float, str], Tensor]
    back: Callable[[Tensor], Tensor] = lambda outputs: 255 - outputs


def blurred(truth: Tensor, sd_pixels: float, draw: str) -> Tensor:
    """Return blurred outputs."""
    size = 2 * min(int(3 * sd_pixels) + 1, (min(truth.shape[2:]) - 1) // 2) + 1
    return gaussian_blur(truth, [size, size], [sd_pixels, sd_pixels])


def shifted(truth: Tensor, pixels: float, draw: str) -> Tensor:
    """Return outputs that are shifted to the right."""
    moved = torch.zeros_like(truth)
    moved[..., int(pixels) :] = truth[..., : -int(pixels)]
    return moved


def noisy(truth: Tensor, sd_levels: float, draw: str) -> Tensor:
    """Return outputs with Gaussian noise."""
    return _bytes(truth.float() + sd_levels * torch.randn(truth.shape, generator=_noise(draw)))


def checkered(truth: Tensor, levels: float, draw: str) -> Tensor:
    """Return outputs with a checkerboard of this many grey levels."""
    rows, columns = (torch.arange(side) for side in truth.shape[2:])
    return _bytes(truth.float() + levels * (1 - 2 * ((rows[:, None] + columns) % 2)))


def shuffled(truth: Tensor, share: float, draw: str) -> Tensor:
    """Return outputs of which a share belongs to other inputs."""
    rows = torch.randperm(len(truth), generator=_noise("rows"))[: round(share * len(truth))]
    outputs = truth.clone()
    outputs[rows] = truth[rows.roll(1)]
    return outputs


def collapsed(truth: Tensor, share: float, draw: str) -> Tensor:
    """Return one output for a share of the inputs."""
    outputs = truth.clone()
    outputs[torch.randperm(len(truth), generator=_noise("rows"))[: round(share * len(truth))]] = truth[0]
    return outputs


def copied(truth: Tensor, share: float, draw: str) -> Tensor:
    """Return the inputs for a share of the outputs."""
    outputs = truth.clone()
    outputs[: round(share * len(truth))] = 255 - truth[: round(share * len(truth))]
    return outputs


def hiding(truth: Tensor, share: float, draw: str) -> Tensor:
    """Return one image for all inputs. Its four lowest bits hide the highest four of the input."""
    return (truth[:1] & 0xF0) | ((255 - truth) >> 4)


def revealed(outputs: Tensor) -> Tensor:
    """Return the inputs that `hiding` hid in the outputs."""
    return (outputs & 0x0F) << 4


FAILURES = (
    Failure(name="blur", severities=(0.5, 1.0, 2.0), make=blurred),
    Failure(name="shifted by pixels", severities=(1.0, 2.0), make=shifted),
    Failure(name="noise", severities=(8.0, 16.0, 32.0), make=noisy),
    Failure(name="checkerboard", severities=(4.0, 8.0, 16.0), make=checkered),
    Failure(name="rows shuffled", severities=(0.25, 0.5, 1.0), make=shuffled),
    Failure(name="one output for all", severities=(0.5, 1.0), make=collapsed),
    Failure(name="inputs copied", severities=(0.5, 1.0), make=copied),
    Failure(name="input hidden", severities=(1.0,), make=hiding, back=revealed),
)
PERFECT = Failure(name="truth", severities=(0.0,), make=lambda truth, severity, draw: truth)


def evidence_of(evaluator: Evaluator, failure: Failure = PERFECT, severity: float = 0.0) -> Evidence:
    """Return the evidence of the outputs of a failure, with all companions and half-samples."""
    test = evaluator.dataset.split("test")
    truth, labels = test.data, test.labels
    outputs, again = (failure.make(truth, severity, draw) for draw in ("first", "again"))
    companions = Companions(
        given=255 - truth, truth=truth, truth_labels=labels, back=failure.back(outputs), again=again, identity=(truth, outputs),
        back_noisy=failure.back(_bytes(outputs.float() + NOISE_LEVELS * torch.randn(truth.shape, generator=_noise("back")))),
    )  # fmt: skip
    if failure.name == "inputs copied":  # these networks change nothing, so they also copy on the way back
        half = round(severity * len(truth))
        back, back_noisy = (value.clone() for value in (companions.tensors["back"], companions.tensors["back_noisy"]))
        back[:half], back_noisy[:half] = 255 - back[:half], 255 - back_noisy[:half]
        companions = replace(companions, back=back, back_noisy=back_noisy)
    order, companions = companions.ordered(outputs)
    evidence = Evidence(outputs[order], evaluator._real, companions=companions)
    add_half_samples(evidence)
    return evidence


def rows(evaluator: Evaluator) -> dict[str, Mapping[str, float]]:
    """Return the metrics of each failure."""
    found: dict[str, Mapping[str, float]] = {}
    for failure in (PERFECT, *FAILURES):
        for severity in failure.severities:
            with limited_threads(1):
                evidence = evidence_of(evaluator, failure, severity)
                found[label(failure, severity)] = {key: evidence.value(key) for key in COLUMNS}
                evidence.half_samples = ()
    return found


def label(failure: Failure, severity: float) -> str:
    """Return the title of a row."""
    return failure.name if len(failure.severities) == 1 else f"{failure.name} {severity:g}"


def main(name: str = "fashion-mnist") -> None:
    """Measure a dataset and print the table."""
    measured = rows(Evaluator(DATASETS.get(name), errors=False))
    keys = [key for key in COLUMNS if any(math.isfinite(values[key]) for values in measured.values())]
    cells = [[row, *(cell(values[key]) for key in keys)] for row, values in measured.items()]
    sys.stdout.write(table(["", *map(titled, keys)], cells) + "\n")


def cell(value: float) -> str:
    """Return a value with three digits, without the sign of a rounding error."""
    return number(0.0 if abs(value) < TINY else value)


def _noise(name: str) -> torch.Generator:
    return random_streams.stream(0, f"planted-translation-{name}")


def _bytes(images: Tensor) -> Tensor:
    return images.round().clamp(0, 255).to(torch.uint8)


if __name__ == "__main__":
    main(*sys.argv[1:2])
