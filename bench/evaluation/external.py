"""Anybody's images or generator, measured by our protocol, beside the rows for scale. Needs no tracking store and writes to none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.core.config import DATASETS
from bench.core.errors import UserError, one_line
from bench.core.spec import Dataset
from bench.core.threads import limited_threads
from bench.data.catalog import resolve_auto
from bench.evaluation import external_generator
from bench.evaluation.evaluator import FEWEST, Evaluator, Measurement, Samples, lacks_real
from bench.evaluation.external_images import Range, Wanted, check_range, read_npz
from bench.evaluation.external_points import read_points
from bench.evaluation.image_folder import read_folder
from bench.evaluation.reference_rows import KINDS, reference_row
from bench.evaluation.value_checks import levels_of


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was found, and what real images and an untrained generator have by the same protocol."""

    source: str
    dataset: str
    what: str  # images, points
    n: int
    measurement: Measurement
    rows: Mapping[str, Measurement]  # real, untrained
    left_out: Mapping[str, str]  # rows that there cannot be, and why
    protocol: Mapping[str, Any]  # all, metrics

    def as_json(self) -> dict[str, Any]:
        """As `ganbench evaluate --json` gives it: what is no finite number is null and has its reason."""
        rows = {kind: finite(self.rows[kind].values) if kind in self.rows else None for kind in KINDS}
        why = {f"{kind}_reasons": dict(self.rows[kind].reasons) if kind in self.rows else {} for kind in KINDS}
        return {
            "source": self.source, "dataset": self.dataset, "n": self.n, "metrics": finite(self.measurement.values),
            "reasons": dict(self.measurement.reasons), "protocol": dict(self.protocol), **rows, **why,
            "left_out": dict(self.left_out),
        }  # fmt: skip


def finite(values: Mapping[str, float]) -> dict[str, float | None]:
    """The values with None for what is no finite number, which JSON has no word for."""
    return {key: value if math.isfinite(value) else None for key, value in values.items()}


def measure(
    source: str, dataset_name: str = "auto", *, value_range: Range | None = None, latent: int | None = None, n: int | None = None,
    inception: bool = False, as_is: bool = False,
) -> Measured:  # fmt: skip
    """Measure an .npz file, a folder of images or a generator `module:OBJECT` as images of a dataset.

    `inception`: by the published FID too. `as_is`: images whose values show a slip are measured all the same.
    """
    check_range(value_range)
    dataset = DATASETS.get(resolve_auto() if dataset_name == "auto" else dataset_name)
    if inception and dataset.spec.kind != "image":
        raise UserError(f"Inception sees images, and {dataset.name} holds {dataset.spec.kind}: leave --inception-weights out")
    standard = Evaluator(dataset, inception=inception)  # says what cannot be measured at all
    with limited_threads(1):
        samples = read(source, dataset, value_range=value_range, latent=latent, n=n, usual_n=standard.n, as_is=as_is)
        evaluator = standard if len(samples.data) == standard.n else Evaluator(dataset, samples=len(samples.data), inception=inception)
        measurement = evaluator.full(samples.data, walks=samples.walks)
    why = lacks_real(dataset, evaluator.n)
    left_out = {"real": why} if why else {}
    return Measured(
        source=source,
        dataset=dataset.name,
        what="points" if dataset.spec.kind == "points" else "images",
        n=evaluator.n,
        measurement=measurement,
        rows={kind: reference_row(kind, evaluator).measurement for kind in KINDS if kind not in left_out},
        left_out=left_out,
        protocol={"all": evaluator.protocol_hash, "metrics": evaluator.protocol()},
    )


def read(
    source: str, dataset: Dataset, *, value_range: Range | None, latent: int | None, n: int | None, usual_n: int, as_is: bool = False
) -> Samples:
    """The examples of a source: images uint8 [n, C, H, W], or points float32 [n, D]; of a generator also walks between latents.

    A file or a folder that is there comes before a module of that name; points come from files alone.
    """
    path = Path(source)
    try:
        is_file, is_folder = path.is_file(), path.is_dir()
    except OSError as error:
        raise UserError(f"{one_line(source, most=80)!r} cannot be read: {error.strerror or error}") from error
    points = dataset.spec.kind == "points"
    if not (is_file or is_folder):
        if path.exists() and source:
            raise UserError(f"{one_line(source, most=160)!r} is neither a plain file nor a folder")
        if ":" not in source:
            raise UserError(f"there is no file or folder {one_line(source, most=160)!r}; a generator is named as module:OBJECT")
        if points:
            raise UserError(f"points of {dataset.name} are read from an .npz file with an array 'points', not from a module")
        wanted = wanted_of(dataset, as_is=as_is)
        return external_generator.sample_module(source, wanted, n=usual_n if n is None else n, latent=latent, value_range=value_range)
    if points and is_folder:
        raise UserError(f"points of {dataset.name} are read from an .npz file with an array 'points', not from a folder")
    given: dict[str, object] = {"--n": n, "--latent": latent, "--as-is": (as_is and points) or None}
    given |= {"--range": value_range} if is_folder or points else {}
    for option, value in given.items():
        if value is not None:
            raise UserError(
                f"{option} is not for {'a folder of images' if is_folder else 'an .npz file'}{' of points' if points else ''}: all of it is measured, as it is"
            )
    if points:
        return Samples(data=read_points(path, dataset))
    wanted = wanted_of(dataset, as_is=as_is)
    return Samples(data=read_folder(path, wanted) if is_folder else read_npz(path, wanted, value_range))


def wanted_of(dataset: Dataset, *, as_is: bool = False) -> Wanted:
    """What images of a dataset must be."""
    channels, height, width = dataset.spec.shape
    return Wanted(
        dataset=dataset.name, shape=(channels, height, width), fewest=FEWEST,
        levels=levels_of(dataset.split("test").data), as_is=as_is,
    )  # fmt: skip
