"""Measure external samples or an external generator by the evaluation protocol, next to the reference rows. Uses no tracking store."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.core.config import DATASETS, Evaluation
from bench.core.errors import UserError, one_line
from bench.core.spec import Dataset
from bench.core.threads import limited_threads
from bench.data.catalog import resolve_auto
from bench.evaluation import external_generator
from bench.evaluation.evaluator import FEWEST, Measurement, evaluator_of, lacks_real
from bench.evaluation.external_images import ImageRequirements, Range, check_range, read_npz
from bench.evaluation.external_points import read_points
from bench.evaluation.image_folder import read_folder
from bench.evaluation.reference_rows import reference_row, rows_of
from bench.evaluation.samples import Samples, with_companions
from bench.evaluation.value_checks import levels_of

STANDARD = Evaluation()
SETTABLE = (
    "evaluation.standard_errors", "evaluation.inception", "evaluation.inception_resize", "evaluation.inception_statistics",
    "evaluation.photo", "evaluation.headline", "evaluation.metrics",
)  # fmt: skip  # by `ganbench evaluate --set`


@dataclass(frozen=True, kw_only=True)
class ExternalMeasurement:
    """The measurement of external samples, and the reference rows by the same evaluation protocol."""

    source: str
    dataset: str
    what: str  # "images" or "points"
    n: int
    headline: str  # key of the metric that ranks
    measurement: Measurement
    rows: Mapping[str, Measurement]  # real, untrained
    left_out: Mapping[str, str]  # reference rows that cannot be computed, and why
    protocol: Mapping[str, Any]  # "all": one hash; "metrics": a hash for each metric

    def as_json(self) -> dict[str, Any]:
        """Return the object that `ganbench evaluate --json` prints. A value that is not finite is null and has a reason."""
        kinds = (*self.rows, *self.left_out)
        rows = {kind: finite(self.rows[kind].values) if kind in self.rows else None for kind in kinds}
        why = {f"{kind}_reasons": dict(self.rows[kind].reasons) if kind in self.rows else {} for kind in kinds}
        return {
            "source": self.source, "dataset": self.dataset, "n": self.n, "headline": self.headline, "metrics": finite(self.measurement.values),
            "reasons": dict(self.measurement.reasons), "protocol": dict(self.protocol), **rows, **why,
            "left_out": dict(self.left_out),
        }  # fmt: skip


def finite(values: Mapping[str, float]) -> dict[str, float | None]:
    """Return the values with None in place of NaN and infinity, which JSON does not have."""
    return {key: value if math.isfinite(value) else None for key, value in values.items()}


def measure(
    source: str, dataset_name: str = "auto", *, value_range: Range | None = None, latent: int | None = None, n: int | None = None,
    evaluation: Evaluation = STANDARD, as_is: bool = False,
) -> ExternalMeasurement:  # fmt: skip
    """Measure an .npz file, a folder of images or a generator `module:OBJECT` as samples of a dataset. Raises UserError.

    `value_range`: the values of black and white, for floats. `latent`: the width of a generator's latents. `n`: the number of its images.
    `evaluation`: the settings, with the number of samples of the source. `as_is`: measure images even if their value range looks wrong.
    """
    check_range(value_range)
    dataset = DATASETS.get(resolve_auto() if dataset_name == "auto" else dataset_name)
    standard = evaluator_of(dataset, evaluation)  # raises if the dataset has no metric
    with limited_threads(1):
        samples = read(source, dataset, value_range=value_range, latent=latent, n=n, usual_n=standard.n, as_is=as_is)
        n_samples = len(samples.data)
        evaluator = standard if n_samples == standard.n else evaluator_of(dataset, evaluation.model_copy(update={"samples": n_samples}))
        samples = with_companions(evaluator, samples)
        measurement = evaluator.full(samples.data, walks=samples.walks, labels=samples.labels, companions=samples.companions)
    why = lacks_real(dataset, evaluator.n)
    left_out = {"real": why} if why else {}
    return ExternalMeasurement(
        source=source,
        dataset=dataset.name,
        what="points" if dataset.spec.kind == "points" else "images",
        n=evaluator.n,
        headline=evaluator.headline,
        measurement=measurement,
        rows={kind: reference_row(kind, evaluator).measurement for kind in rows_of(dataset.spec) if kind not in left_out},
        left_out=left_out,
        protocol={"all": evaluator.protocol_hash, "metrics": evaluator.protocol()},
    )


def read(
    source: str, dataset: Dataset, *, value_range: Range | None, latent: int | None, n: int | None, usual_n: int, as_is: bool = False
) -> Samples:
    """Read the samples of a source: images uint8 [n, C, H, W], or points float32 [n, D]. Generators also give walks between latents.

    An existing file or folder takes precedence over a module of that name. Points are read from files only. Raises UserError.
    """
    path = Path(source)
    try:
        is_file, is_folder = path.is_file(), path.is_dir()
    except OSError as error:
        raise UserError(f"{one_line(source, most=80)!r} cannot be read: {error.strerror or error}; check the path") from error
    points = dataset.spec.kind == "points"
    if not (is_file or is_folder):
        if path.exists() and source:
            raise UserError(f"{one_line(source, most=160)!r} is neither a plain file nor a folder; name an .npz file or a folder of images")
        if ":" not in source:
            raise UserError(f"no file or folder {one_line(source, most=160)!r}; name a generator as module:OBJECT")
        if points:
            raise UserError(f"points of {dataset.name} are read from an .npz file with an array 'points', not from a module")
        wanted = image_requirements(dataset, as_is=as_is)
        return external_generator.sample_module(source, wanted, n=usual_n if n is None else n, latent=latent, value_range=value_range)
    if points and is_folder:
        raise UserError(f"points of {dataset.name} are read from an .npz file with an array 'points', not from a folder")
    given: dict[str, object] = {"--n": n, "--latent": latent, "--as-is": (as_is and points) or None}
    given |= {"--range": value_range} if is_folder or points else {}
    for option, value in given.items():
        if value is not None:
            raise UserError(
                f"{option} is not for {'a folder of images' if is_folder else 'an .npz file'}{' of points' if points else ''}; omit it: every sample is measured unchanged"
            )
    if points:
        return Samples(data=read_points(path, dataset))
    wanted = image_requirements(dataset, as_is=as_is)
    return Samples(data=read_folder(path, wanted) if is_folder else read_npz(path, wanted, value_range))


def image_requirements(dataset: Dataset, *, as_is: bool = False) -> ImageRequirements:
    """Return the requirements for images of a dataset."""
    channels, height, width = dataset.spec.shape
    return ImageRequirements(
        dataset=dataset.name, shape=(channels, height, width), fewest=FEWEST,
        levels=levels_of(dataset.split("test").data), as_is=as_is,
    )  # fmt: skip
