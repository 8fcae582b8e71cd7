"""All that `ganbench perf` measures, part by part, and the ratios that come of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from bench import environment
from bench.config import RunConfig, config_for, override
from bench.data.progress import progress
from bench.environment import cores
from bench.errors import UserError, nearest
from bench.perf.host import Contender, hosts
from bench.perf.peak import flops_per_image, gemm_flops
from bench.perf.quality import Reached, harness_quality, tutorial_quality
from bench.perf.race import Rate, race, ratio
from bench.perf.whole import Whole, in_process, suite_rate, whole_run
from bench.precision import Precision
from bench.suite import SUITES

log = logging.getLogger(__name__)

PARTS = ("loops", "run", "suite", "quality")
MODELS = {"mlp": "mlp-dropout", "dcgan": "dcgan"}  # of the article that the two come from, at their published widths
BATCH = 64
QUALITY_EPOCHS = 5
QUALITY_MODELS = ("mlp",)  # five epochs of the tutorial's DCGAN take a quarter of an hour
STANDARD_IMAGES = 6_000_000  # the budget of the suite `standard`
SHORT_IMAGES = {"mlp": 60_000, "dcgan": 20_000}  # of the run whose evaluation and tracking are timed
QUICK = {"mlp": {}, "dcgan": {"recipe.width": 16}}


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What to measure, and for how long."""

    models: tuple[str, ...] = tuple(MODELS)
    parts: tuple[str, ...] = PARTS
    turns: int = 5
    seconds: float = 2.0
    dataset: str = "auto"

    def check(self) -> None:
        """A UserError for what cannot be."""
        for given, known, what in ((self.models, tuple(MODELS), "model"), (self.parts, PARTS, "part")):
            if not given:
                raise UserError(f"name at least one of {', '.join(known)}")
            for name in given:
                if name not in known:
                    raise UserError(f"unknown {what} {name!r}{nearest(name, known)}")
        if not (1 <= self.turns <= 1000 and 0.1 <= self.seconds <= 600):
            raise UserError(f"--turns takes 1 to 1000 and --seconds 0.1 to 600, not {self.turns} and {self.seconds:g}")


@dataclass(kw_only=True)
class Speed:
    """What was found. Rates are images a second; a part that was not asked for is empty."""

    machine: Mapping[str, Any]
    setting: Setting
    rates: dict[str, dict[str, Rate]] = field(default_factory=dict)  # by model, by contender
    suites: dict[str, float] = field(default_factory=dict)
    memory_mb: dict[str, dict[str, float]] = field(default_factory=dict)
    flops: dict[str, float] = field(default_factory=dict)  # of an image, by model
    peaks: dict[int, float] = field(default_factory=dict)  # operations a second, by threads
    wholes: dict[str, dict[str, Whole]] = field(default_factory=dict)  # by model, by the suite whose settings they have
    quality: dict[str, dict[str, Reached | None]] = field(default_factory=dict)
    precision: Precision

    @property
    def ratios(self) -> dict[str, float]:
        """The figures that can be compared between machines, as far as they were measured; of turns, the median."""
        found: dict[str, float] = {}
        for model, rates in self.rates.items():
            found[f"train_over_bare.{model}"] = ratio(rates["train"], rates["bare"]).median
            found[f"train_over_tutorial.{model}"] = ratio(rates[ALL_CORES], rates["tutorial"]).median
            found[f"flops_over_peak.{model}"] = rates["train"].median * self.flops[model] / self.peaks[1]
        for model, rate in self.suites.items():
            if model in self.rates:
                found[f"suite_over_tutorial.{model}"] = rate / self.rates[model]["tutorial"].median
        for model, wholes in self.wholes.items():
            for suite, whole in wholes.items():
                found[f"run_over_train.{model}" + ("" if suite == "standard" else f".{suite}")] = whole.train / whole.wall
                found[f"evaluation_share.{model}.{suite}"] = whole.evaluate / whole.wall
                found[f"logging_share.{model}.{suite}"] = whole.log / whole.wall
        for model, sides in self.quality.items():
            tutorial, harness = sides["tutorial"], sides["harness"]
            if tutorial and harness:
                found[f"time_to_quality.{model}"] = tutorial.seconds / harness.seconds
        return found


ALL_CORES = "train, all cores"


def measure(setting: Setting) -> Speed:
    """Measure the parts that were asked for. Writes nothing that stays."""
    setting.check()
    configs = {name: _config(name, setting.dataset) for name in setting.models}
    any_config = next(iter(configs.values()))
    precision = _precision(any_config)
    machine = environment.describe(environment.device_of("cpu"), threads=1, precision=precision)
    speed = Speed(machine=machine, setting=setting, precision=precision)
    for name, config in configs.items():
        for part, do in (("loops", _loops), ("suite", _suite), ("run", _runs), ("quality", _quality)):
            if part in setting.parts and (part != "quality" or name in QUALITY_MODELS):
                do(speed, name, config)
    return speed


def _precision(config: RunConfig) -> Precision:
    if config.precision == "auto":
        raise ValueError("resolve the configuration before measuring it")
    return config.precision


def _config(model: str, dataset: str) -> RunConfig:
    """The model's own numbers, on the CPU: there the contenders are a tutorial's reader's alternatives."""
    config = override(config_for(MODELS[model]), {"dataset": dataset, "recipe.batch_size": BATCH, "device": "cpu", "budget.images": 10**9})
    return environment.resolve(config)


def _loops(speed: Speed, model: str, config: RunConfig) -> None:
    several = cores()
    contenders = {
        "tutorial": Contender(loop="tutorial", config=config, threads=several),
        "bare": Contender(loop="bare", config=config, threads=1),
        "train": Contender(loop="train", config=config, threads=1),
        ALL_CORES: Contender(loop="train", config=override(config, {"threads": several}), threads=several),
    }
    setting = speed.setting
    with hosts(contenders) as running, progress(f"loops of {model}, turns", len(contenders) * (1 + setting.turns)) as advance:
        speed.rates[model] = race(running, turns=setting.turns, seconds=setting.seconds, advance=advance)
        speed.memory_mb[model] = {name: host.extra_memory_mb() for name, host in running.items()}
    speed.flops[model] = flops_per_image(config)
    for threads in {1, several}:
        if threads not in speed.peaks:
            speed.peaks[threads] = gemm_flops(speed.precision, threads=threads, device=torch.device("cpu"))


def _suite(speed: Speed, model: str, config: RunConfig) -> None:
    log.warning("suite of %s: %d runs side by side", model, cores())
    speed.suites[model] = suite_rate(config, workers=cores(), seconds=max(2.0, speed.setting.turns * speed.setting.seconds))


def _runs(speed: Speed, model: str, config: RunConfig) -> None:
    wholes = speed.wholes.setdefault(model, {})
    for suite, settings in (("standard", {"budget.images": SHORT_IMAGES[model]}), ("quick", QUICK[model])):
        log.warning("run of %s with the marks and measurements of the suite %s", model, suite)
        own = {path: value for path, value in SUITES.get(suite).settings.items() if path.startswith(("evaluation.", "budget."))}
        chosen = override(config, {**own, **settings})
        whole = in_process(whole_run, chosen.canonical(), threads=1)
        wholes[suite] = whole.at(STANDARD_IMAGES) if suite == "standard" else whole


def _quality(speed: Speed, model: str, config: RunConfig) -> None:
    several = cores()
    log.warning(
        "time to quality of %s: %d epochs of the tutorial's loop, then as many seconds of the harness as it takes", model, QUALITY_EPOCHS
    )
    same = override(config, {"threads": several})
    tutorial = in_process(tutorial_quality, same.canonical(), QUALITY_EPOCHS, threads=several)
    harness = in_process(harness_quality, same.canonical(), tutorial.value, QUALITY_EPOCHS, threads=several)
    speed.quality[model] = {"tutorial": tutorial, "harness": harness}
