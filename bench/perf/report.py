"""Results of `ganbench perf` as JSON, as table rows and as a plot."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from bench.perf.measure import ALL_CORES, SUITE, TUTORIAL, Speed
from bench.scheduling.suite import SUITES

TextRow = tuple[str, ...]
MEANING = {
    "train_over_bare": "train() / bare loop, one thread each",
    "train_over_tutorial": "train() / tutorial loop, all cores each",
    "suite_over_tutorial": "train() once a core at the same time / tutorial loop on all cores",
    "run_over_train": "training / wall clock of a run",
    "evaluation_share": "evaluation / wall clock of a run",
    "logging_share": "MLflow / wall clock of a run",
    "flops_over_peak": "operations a second of train() / those of a matrix product at the faster precision, one thread",
    "time_to_quality": "training seconds to the same classifier-FID, tutorial / train()",
}


def as_json(speed: Speed) -> dict[str, Any]:
    """Return all results as a JSON object, with the ratios in `ratios`. NaN is null."""
    return _plain({
        "machine": dict(speed.machine),
        "setting": asdict(speed.setting),
        "ratios": speed.ratios,
        "images_per_second": {model: {name: asdict(rate) | {"median": rate.median, "spread": rate.spread} for name, rate in rates.items()} for model, rates in speed.rates.items()},
        "memory_mb_beyond_torch": speed.memory_mb,
        "flops_per_image": speed.flops,
        "matrix_product_flops_per_second": {model: asdict(rate) | {"median": rate.median} for model, rate in speed.peaks.items()},
        "seconds": {model: {suite: asdict(whole) | {"rest": whole.rest} for suite, whole in wholes.items()} for model, wholes in speed.wholes.items()},
        "quality": {model: {side: reached and asdict(reached) for side, reached in sides.items()} for model, sides in speed.quality.items()},
    })  # fmt: skip


def _plain(value: Any) -> Any:
    """Return nested mappings and lists with None in place of NaN and infinity."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def rate_rows(speed: Speed) -> list[TextRow]:
    """Return rows (model, loop, threads, images a second, spread, memory of a process in MB beyond torch)."""
    several = str(speed.machine["cores"])
    threads = {TUTORIAL: several, ALL_CORES: several, SUITE: f"1 x {several}"}
    return [
        (model, name, threads.get(name, "1"), f"{rate.median:,.0f}", f"± {rate.spread:.0%}", f"{speed.memory_mb[model][name]:,.0f}")
        for model, rates in speed.rates.items()
        for name, rate in rates.items()
    ]


def ratio_rows(speed: Speed) -> list[TextRow]:
    """Return rows (key, value, meaning)."""
    return [(key, f"{value:.3g}", _meaning(key)) for key, value in speed.ratios.items()]


def _meaning(key: str) -> str:
    name, *rest = key.split(".")
    suite = rest[1] if len(rest) > 1 else "standard" if name == "run_over_train" else ""
    if not suite:
        return MEANING[name]
    images = int(SUITES.get("standard").settings["budget.images"])
    length = f", training extrapolated to {images:,} images" if suite == "standard" else ""
    return f"{MEANING[name]} as in the suite {suite}{length}"


def notes(speed: Speed) -> list[str]:
    """Return notes on the ratios: peak rates, operation counts and the time to quality."""
    lines = [
        f"{model}: a matrix product does {rate.median / 1e9:,.0f} GFLOP/s on one thread, in the faster of float32 and bf16"
        for model, rate in speed.peaks.items()
    ]
    lines += [f"{model}: {flops / 1e6:,.1f} MFLOP an image, forward and backward" for model, flops in speed.flops.items()]
    for model, sides in speed.quality.items():
        for side, reached in sides.items():
            if reached is None:
                lines.append(f"{model}: the harness does not reach the target")
            else:
                lines.append(
                    f"{model}, {side}: classifier-FID {reached.value:.1f} after {reached.images:,} images and {reached.seconds:.1f} s of training"
                )
    return lines


def draw(speed: Speed) -> bytes:
    """Draw the images a second of every contender as SVG: dots are turns, bars are medians."""
    import io

    from matplotlib.figure import Figure

    models = list(speed.rates)
    figure = Figure(figsize=(8.0, 0.6 + 1.9 * max(1, len(models))), layout="constrained")
    panels = figure.subplots(max(1, len(models)), 1, squeeze=False)[:, 0]
    for panel, model in zip(panels, models, strict=False):
        rates = speed.rates[model]
        for index, rate in enumerate(rates.values()):
            panel.barh(index, rate.median, color="#9db8d2", height=0.6)
            panel.plot(rate.turns, [index] * len(rate.turns), "o", color="#1f3b57", markersize=3.5, alpha=0.7)
        panel.set_yticks(range(len(rates)), list(rates))
        panel.invert_yaxis()
        panel.set_xlim(left=0)
        panel.set_title(model, loc="left", fontsize=10)
        panel.spines[["top", "right"]].set_visible(False)
    panels[-1].set_xlabel("images a second (real images for D)")
    content = io.BytesIO()
    figure.savefig(content, format="svg", metadata={"Date": None})
    return content.getvalue()
