"""Synthetic results: frames and artifacts like those of a tracking store, from a few values per run."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from bench.tracking.artifacts import Artifacts
from bench.tracking.curves import CURVE_COLUMNS
from bench.tracking.results import (
    ENVIRONMENT,
    EVIDENCE,
    FINAL_GRID,
    GRIDS,
    INTERPOLATION,
    NEAREST,
    PROTOCOL_COLUMNS,
    RUN_COLUMNS,
    Results,
)

FID = "quality/fid_classifier"
MEASURED = (
    FID,
    "quality/precision_classifier",
    "quality/recall_classifier",
    "modes/classes_covered",
    "diversity/duplicate_rate",
    "modes/collapse",
)
PIXELS = "quality/frechet_pixels"
DISTILLED = "quality/fid_distilled"
KL = "modes/reverse_kl"
NEW: dict[str, tuple[float, float]] = {  # (typical value, spread between runs) of other metrics of images
    "quality/fid_infinity_classifier": (35.0, 3.0),
    "quality/kid_classifier": (0.9, 0.1),
    "quality/classifier_score": (6.4, 0.3),
    "quality/density_classifier": (0.55, 0.05),
    "quality/coverage_classifier": (0.38, 0.04),
    PIXELS: (1.4, 0.3),
    "diversity/ms_ssim_2": (0.31, 0.02),
    "diversity/vendi_score": (9.2, 0.6),
    "diversity/path_length": (1.3, 0.1),
    "modes/class_kl": (0.12, 0.03),
    "modes/ndb": (0.71, 0.05),
    "modes/js_bins": (0.18, 0.02),
    "memorisation/authenticity": (0.83, 0.04),
    "memorisation/ct_score": (4.1, 1.0),
}
CENTRES = [[float(np.cos(k * np.pi / 4)), float(np.sin(k * np.pi / 4))] for k in range(8)]
BUDGET = 150_000
MARKS = (3_000, 12_000, 30_000, 67_500, 112_500)  # evaluation points with a sample grid
CLASSES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
QUICK: dict[str, tuple[float, ...]] = {
    "vanilla": (45.2, 48.1, 43.0),
    "ns-gan": (50.3, 47.9, 53.1),
    "label-smoothed": (52.0, 50.1, 55.4),
    "mlp-dropout": (40.1, 41.9, 38.8),
    "dcgan": (26.1, 28.0, 25.2),
    "lsgan": (33.4, 31.8, 35.0),
    "wgan": (36.9, 39.5, 35.8),
    "wgan-gp": (35.1, 36.6, 33.9),
}


@dataclass(frozen=True, kw_only=True)
class SyntheticRun:
    """Frozen record of a synthetic run."""

    variant: str
    seed: int = 0
    fid: float = math.nan
    headline: str = FID  # the metric with the value `fid`
    status: str = "finished"
    metrics: Mapping[str, float] = field(default_factory=dict)
    columns: Mapping[str, Any] = field(default_factory=dict)  # overrides RUN_COLUMNS and param: columns
    protocol: str = "p0"
    evidence: Mapping[str, Any] = field(default_factory=dict)
    log_odds: bool = True

    @property
    def run_id(self) -> str:
        """Return a stable id."""
        data = "" if self.headline == FID else f"{self.headline}-"
        return str(self.columns.get("run_id", f"{data}{self.variant}-{self.seed}"))


def synthetic_runs(fids: Mapping[str, Sequence[float]], **columns: Any) -> list[SyntheticRun]:
    """Return finished runs with these FIDs, one seed for each value."""
    return [
        SyntheticRun(variant=name, seed=seed, fid=fid, columns=columns) for name, values in fids.items() for seed, fid in enumerate(values)
    ]


def distilled_runs(values: Mapping[str, Sequence[tuple[float, float]]], **columns: Any) -> list[SyntheticRun]:
    """Return finished runs with another headline: (distilled FID, classifier-FID) of each seed. Only the former has evaluation points."""
    return [
        SyntheticRun(variant=name, seed=seed, fid=distilled, headline=DISTILLED, metrics={FID: fid}, columns=columns)
        for name, pairs in values.items()
        for seed, (distilled, fid) in enumerate(pairs)
    ]


def references(**columns: Any) -> list[SyntheticRun]:
    """Return the reference rows `real` and `untrained`."""
    common = {"kind": "reference", **columns}
    return [SyntheticRun(variant="real", fid=0.1, columns=common), SyntheticRun(variant="untrained", fid=210.0, columns=common)]


def results(runs: Sequence[SyntheticRun], folder: Path | None = None, *, curves: bool = True) -> Results:
    """Return the results of these runs. With a folder, also write their artifacts."""
    rows = [_row(run, i) for i, run in enumerate(runs)]
    frame = pd.DataFrame(rows, columns=list(dict.fromkeys([*RUN_COLUMNS, *(key for row in rows for key in row)])))
    measured = [run for run in runs if run.status == "finished" and run.protocol]
    protocols = [(run.run_id, key, f"{run.protocol}-{key}") for run in measured for key in _measured(run)]
    points = [point for run in runs if curves and run.columns.get("kind") != "reference" for point in _curve(run)]
    roots = {} if folder is None else {run.run_id: str(_artifacts(run, folder / str(i))) for i, run in enumerate(runs)}
    return Results(
        uri="sqlite:///test.db",
        experiments=("test",),
        runs=frame,
        curves=pd.DataFrame(points, columns=list(CURVE_COLUMNS)),
        protocols=pd.DataFrame(protocols, columns=list(PROTOCOL_COLUMNS)),
        artifacts=Artifacts(None, roots),
    )


def complete(runs: Sequence[SyntheticRun]) -> list[SyntheticRun]:
    """Return the runs with all metrics of images. Training runs also have standard errors, a hundredth of the value."""
    return [replace(run, metrics={**_everything(run), **run.metrics}) for run in runs]


def _everything(run: SyntheticRun) -> dict[str, float]:
    rng = np.random.default_rng([run.seed, *map(ord, run.variant)])
    values = {key: float(rng.normal(usual, spread)) for key, (usual, spread) in NEW.items()}
    if run.columns.get("kind") == "reference":
        return values | {"memorisation/authenticity": 0.0, "memorisation/ct_score": -31.0} if run.variant == "real" else values
    return {**values, FID: run.fid, **{f"{key}_se": abs(value) / 100 for key, value in {**values, FID: run.fid}.items()}}


def points(kls: Mapping[str, Sequence[float]], **columns: Any) -> list[SyntheticRun]:
    """Return finished runs on ring8 with these reverse KLs, one seed for each, and the reference rows."""
    common = {"dataset": "ring8", "headline": KL, **columns}
    runs = [
        SyntheticRun(
            variant=name,
            seed=seed,
            fid=kl,
            headline=KL,
            metrics=_of_points(min(8, 9 - round(2 * kl)), 0.97 - 0.01 * seed, kl),
            columns=common,
        )
        for name, values in kls.items()
        for seed, kl in enumerate(values)
    ]
    scale = {"real": (0.0016, 8, 0.9889), "untrained": (2.1, 0, 0.0)}
    rows = [
        SyntheticRun(variant=name, fid=kl, headline=KL, metrics=_of_points(found, share, kl), columns={**common, "kind": "reference"})
        for name, (kl, found, share) in scale.items()
    ]
    return [*runs, *rows]


def _of_points(found: int, high_quality: float, kl: float) -> dict[str, float]:
    values = {"modes/found": float(found), "modes/high_quality": high_quality, KL: kl}
    return values | {f"{key}_se": 0.02 * value for key, value in values.items()}


def _measured(run: SyntheticRun) -> list[str]:
    own = MEASURED if run.headline == FID else (run.headline,)
    return list(dict.fromkeys([*own, *(key for key in run.metrics if not key.endswith("_se") and not key.startswith("best/"))]))


def _row(run: SyntheticRun, index: int) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(RUN_COLUMNS, "")
    row |= {"run_id": run.run_id, "kind": "run", "suite": "test", "variant": run.variant, "dataset": "fashion-mnist", "seed": run.seed}
    row |= {
        "status": run.status,
        "fingerprint": f"f{index:015d}",
        "track": "published",
        "claims": "true",
        "overrides": '{"recipe.width": 16}',
    }
    row |= {"started": pd.Timestamp("2025-01-02", tz="UTC") + pd.Timedelta(minutes=index), "param:budget.images": str(BUDGET)}
    row |= {"param:seed": str(run.seed), "param:recipe.lr_g": "0.0002"}
    if run.headline != FID:
        row |= {run.headline: run.fid, "headline": run.headline}
    elif run.columns.get("kind") == "reference":
        row |= {FID: run.fid, "quality/precision_classifier": 0.8, "modes/classes_covered": 10.0}
    elif run.status == "finished":
        row |= {FID: run.fid, "quality/precision_classifier": 0.61, "quality/recall_classifier": 0.42, "modes/classes_covered": 10.0}
        row |= {"diversity/duplicate_rate": 0.002, "modes/collapse": 0.0, "diversity/pairwise_distance": 0.93}
    if run.columns.get("kind") != "reference" and run.status == "finished":
        row |= {"train/generator_updates": 2344.0, "perf/train_seconds": 31.2, "perf/images_per_second": 4807.0}
    return row | dict(run.metrics) | dict(run.columns)


def _curve(run: SyntheticRun) -> list[tuple[str, int, float, str, float]]:
    rng = np.random.default_rng([run.seed, *map(ord, run.variant)])
    last = BUDGET if run.status == "finished" else BUDGET // 2
    points: list[tuple[str, int, float, str, float]] = []
    for images in range(BUDGET // 100, last + 1, BUDGET // 100):
        wobble = rng.normal(0, 0.05, 8)
        values = {"train/loss_d": 1.1 + wobble[0], "train/loss_g": 0.9 + wobble[1]}
        values |= {"train/logit_real": 0.5 + wobble[4], "train/logit_fake": -0.5 + wobble[5]}
        values |= {"train/grad_norm_d": 2.0 + wobble[6], "train/grad_norm_g": 0.7 + wobble[7]}
        if run.log_odds:
            values |= {"train/p_real": 0.62 + wobble[2], "train/p_fake": 0.38 + wobble[3]}
        points += [(run.run_id, images, images / 5000, key, float(value)) for key, value in values.items()]
    if not math.isnan(run.fid):
        marks = (1, 2, 3, 4) if run.status == "finished" else (1, 2)
        points += [(run.run_id, BUDGET * k // 4, 7.5 * k, run.headline, run.fid * (1 + 3 * (4 - k) / k)) for k in marks]
    return points


def _artifacts(run: SyntheticRun, folder: Path) -> Path:
    rng = np.random.default_rng([run.seed, *map(ord, run.variant)])
    reference = run.columns.get("kind") == "reference"
    marks = [] if reference else [f"{GRIDS}/step_{mark:09d}.png" for mark in MARKS]
    of_images = [] if reference or run.headline == KL else [INTERPOLATION]
    nearest = [] if reference or math.isnan(run.metrics.get("memorisation/authenticity", math.nan)) else [NEAREST]
    for path in (FINAL_GRID, *marks, *of_images, *nearest):
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        side = {INTERPOLATION: (4, 8), NEAREST: (4, 8)}.get(path, (8, 8))
        pixels = _scatter(rng) if run.headline == KL else _pictures(rng, *side).repeat(2, 0).repeat(2, 1)
        Image.fromarray(pixels).save(file)
    if not reference:
        share = rng.dirichlet([20.0] * 10)
        shares = {"class_names": CLASSES, "class_share": {"generated": list(share), "real": [0.1] * 10}}
        modes = {"modes": {"count": 8, "found": 8, "shares": [0.125] * 8, "centres": CENTRES, "sd": 0.01, "points": CENTRES}}
        evidence = {**(modes if run.headline == KL else shares), "health": [], "reasons": {}, **run.evidence}
        (folder / EVIDENCE).write_text(json.dumps(evidence))
        environment = {
            "python": "3.11.9",
            "cpu": "A processor",
            "cores": 2,
            "device": "cpu",
            "torch": "2.14.1",
            "commit": "0123abc",
            "dirty": False,
        }
        (folder / ENVIRONMENT).write_text(json.dumps(environment))
    return folder


def _pictures(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """Return a grid of 28 x 28 pictures of soft blobs, uint8."""
    y, x = np.mgrid[-1:1:28j, -1:1:28j]
    cells = [
        [
            np.exp(-(((x - a) / w) ** 2) - ((y - b) / h) ** 2)
            for a, b, w, h in rng.uniform([-0.2, -0.2, 0.2, 0.3], [0.2, 0.2, 0.8, 0.9], (columns, 4))
        ]
        for _ in range(rows)
    ]
    return (255 * np.block(cells)).clip(0, 255).astype(np.uint8)


def _scatter(rng: np.random.Generator) -> np.ndarray:
    """Return dots around the eight centres on white, uint8 [320, 320]."""
    picture = np.full((320, 320), 255, dtype=np.uint8)
    where = rng.normal(CENTRES, 0.03, (200, 8, 2)).reshape(-1, 2)
    x, y = (160 + 130 * where).astype(int).T
    picture[y, x] = 60
    return picture
