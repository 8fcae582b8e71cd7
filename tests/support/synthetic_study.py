"""Synthetic studies: the record of a search, and the runs of the search and of its final phase."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from synthetic_results import FID, SyntheticRun, references, results

from bench.tracking.results import Results

NAME = "lr-k-quick"
LR_G, LR_D, K = "recipe.lr_g", "recipe.lr_d", "recipe.k"
HUGE = 1e30  # the recorded value of a diverged trial
IMAGES = 30_000
DEFAULT = {LR_G: 2e-4, LR_D: 2e-4, K: 1}
DIMENSIONS = [
    {"path": LR_G, "also": [], "kind": "log", "low": 1e-5, "high": 1e-2, "choices": None, "variants": "*"},
    {"path": LR_D, "also": [], "kind": "log", "low": 1e-5, "high": 1e-2, "choices": None, "variants": "*"},
    {"path": K, "also": [], "kind": "int", "low": 1, "high": 5, "choices": None, "variants": "*"},
]


def value_of(params: Mapping[str, Any], best: float = 30.0) -> float:
    """Return a smooth function of the two rates and k, with its minimum at lr_g 1.2e-3, lr_d 3e-4, k 3."""
    lr_g, lr_d, k = (params.get(path, DEFAULT[path]) for path in (LR_G, LR_D, K))
    apart = math.log10(lr_g / 1.2e-3) ** 2 + 0.4 * math.log10(lr_d / 3e-4) ** 2 + 0.08 * (k - 3) ** 2
    return best * math.exp(0.8 * apart)


def trial(number: int, params: Mapping[str, Any] | None = None, **over: Any) -> dict[str, Any]:
    """Return the record of a trial with these settings. Number 0 is the default, and `over` replaces fields."""
    params = dict(params or DEFAULT)
    found = {
        "number": number, "state": "complete", "values": [value_of(params)], "default": number == 0, "diverged": False, "reason": "",
        "params": params, "settings": dict(params), "images": IMAGES, "train_seconds": 14.2,
        "intermediate": [[IMAGES // 2, 2 * value_of(params)], [IMAGES, value_of(params)]],
        "run_ids": [f"s-{number}"], "started": "2026-11-22T10:00:00Z", "ended": "2026-11-22T10:00:20Z",
    }  # fmt: skip
    return {**found, **over}


def pruned(number: int, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return a trial that was pruned after a third of its images."""
    points = [[IMAGES // 3, 3 * value_of(params)]]
    return trial(number, params, state="pruned", values=None, images=IMAGES // 3, intermediate=points)


def diverged(number: int, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return a trial whose run diverged."""
    return trial(number, params, values=[HUGE], diverged=True, reason="loss_d is infinite", images=IMAGES // 5, intermediate=[])


def random_trials(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Return the default trial and random ones. Rates above 5e-3 diverge, and every second bad trial is pruned."""
    rng = np.random.default_rng(seed)
    trials = [trial(0)]
    for number in range(1, count):
        params = {LR_G: float(10 ** rng.uniform(-5, -2)), LR_D: float(10 ** rng.uniform(-5, -2)), K: int(rng.integers(1, 6))}
        if max(params[LR_G], params[LR_D]) > 5e-3:
            trials.append(diverged(number, params))
        else:
            trials.append(pruned(number, params) if value_of(params) > 80 and number % 2 else trial(number, params))
    return trials


def tuning(trials: Sequence[Mapping[str, Any]], **over: Any) -> dict[str, Any]:
    """Return the record of a variant with these trials."""
    complete = [found for found in trials if found["state"] == "complete" and found["values"] and not found["diverged"]]
    best = min(complete, key=lambda found: found["values"][0], default=None)
    settings = {} if best is None else best["settings"]
    found: dict[str, Any] = {
        "trials": list(trials),
        "best": None
        if best is None
        else {"number": best["number"], "values": best["values"], "settings": settings, "set": options(settings)},
        "pareto": [],
        "importance": {LR_G: {"mean": 0.61, "sd": 0.08}, LR_D: {"mean": 0.25, "sd": 0.07}, K: {"mean": 0.14, "sd": 0.05}},
        "importance_note": f"fANOVA over half-samples of {len(complete)} trials",
    }
    return {**found, **over}


def options(settings: Mapping[str, Any]) -> str:
    """Return settings as the options that a study records. The study's own settings come first."""
    return " ".join(f"--set {path}={json.dumps(value)}" for path, value in {"recipe.width": 16, **settings}.items())


def study(variants: Mapping[str, Mapping[str, Any]], **over: Any) -> dict[str, Any]:
    """Return the artifact of a study of these variants, after a round trip through JSON."""
    found = {
        "format": 1, "study": NAME, "idea": "Is the default learning rate fair to every variant?", "dataset": "fashion-mnist",
        "budget": "30,000 images", "space": {"name": "lr-k", "idea": "two rates and k", "dimensions": DIMENSIONS},
        "objectives": [{"key": FID, "direction": "lower"}], "sampler": "random", "sampler_seed": 0, "pruner": "median",
        "trials_wanted": max((len((found or {}).get("trials", ())) for found in variants.values()), default=0), "search_seeds": [1000],
        "final_seeds": [0, 1, 2], "variants": dict(variants),
    }  # fmt: skip
    return dict(json.loads(json.dumps({**found, **over})))


def search_runs(recorded: Mapping[str, Any]) -> list[SyntheticRun]:
    """Return the runs of the search of a study."""
    return [
        _run(recorded, variant, found, 1000, "search", "", found["values"][0] if found["state"] == "complete" and not found["diverged"] else math.nan)
        for variant, own in recorded["variants"].items()
        for found in own["trials"]
        if found["state"] in ("complete", "pruned")
    ]  # fmt: skip


def final_runs(recorded: Mapping[str, Any], gain: Mapping[str, float] | None = None) -> list[SyntheticRun]:
    """Return the final runs of a study. `gain` is the ratio of the default's FID to that of the tuned recipe, by default 1.3."""
    runs = []
    for variant, own in recorded["variants"].items():
        default = next((found for found in own["trials"] if found["default"]), None)
        best = own["best"] and next(found for found in own["trials"] if found["number"] == own["best"]["number"])
        same = best is not None and best is default
        pairs = [("both", best)] if same else [("default", default), ("tuned", best)]
        for recipe, found in pairs:
            for seed in recorded["final_seeds"] if found else ():
                fid = (41.0 + 1.5 * seed) / ((gain or {}).get(variant, 1.3) if recipe == "tuned" else 1.0)
                runs.append(_run(recorded, variant, found, seed, "final", recipe, fid + 0.3 * (seed % 2)))
    return runs


def _run(
    recorded: Mapping[str, Any], variant: str, found: Mapping[str, Any], seed: int, phase: str, recipe: str, fid: float
) -> SyntheticRun:
    columns = {f"param:{path}": str(value) for path, value in found["settings"].items()}
    columns |= {
        "study": recorded["study"], "phase": phase, "trial": str(found["number"]), "recipe": recipe, "suite": recorded["study"],
        "run_id": f"{recorded['study']}-{variant}-{phase}-{recipe}-{found['number']}-{seed}", "param:budget.images": str(IMAGES),
        "overrides": json.dumps(found["settings"]),
    }  # fmt: skip
    status = "diverged" if found["diverged"] else found["state"].replace("complete", "finished")
    return SyntheticRun(variant=variant, seed=seed, fid=fid, status=status, columns=columns)


def studied(
    recorded: Mapping[str, Any], runs: Sequence[SyntheticRun] | None = None, folder: Path | None = None, *, curves: bool = False
) -> Results:
    """Return the results of a study: its search and final runs, or other runs, and the reference rows."""
    all_runs = [*search_runs(recorded), *final_runs(recorded)] if runs is None else list(runs)
    return replace(results([*all_runs, *references()], folder, curves=curves), studies=(recorded,))


def usual(trials: int = 14, **over: Any) -> dict[str, Any]:
    """Return a study of three variants. The default of the last variant has its best score."""
    third = [replace_value(found, 25.0) if found["default"] else found for found in random_trials(trials, 3)]
    return study({"dcgan": tuning(random_trials(trials, 1)), "wgan-gp": tuning(random_trials(trials, 2)), "ns-gan": tuning(third)}, **over)


def replace_value(found: Mapping[str, Any], value: float) -> dict[str, Any]:
    """Return a trial with another value."""
    return {**found, "values": [value]}
