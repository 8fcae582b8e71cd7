"""Run the parts of `ganbench perf` and compute their ratios."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.core import environment
from bench.core.config import RunConfig, config_for, override
from bench.core.environment import cores
from bench.core.errors import UserError, nearest
from bench.data.progress import progress
from bench.perf.host import Contender, hosts
from bench.perf.loops import GEMM
from bench.perf.peak import flops_per_image
from bench.perf.quality import QualityPoint, first_as_good, harness_quality, tutorial_quality
from bench.perf.race import Rate, race, ratio
from bench.perf.whole import RunTimes, in_process, whole_run
from bench.runs.auto_choice import resolve
from bench.runs.preparation import check
from bench.scheduling.suite import SUITES

log = logging.getLogger(__name__)

PARTS = ("loops", "run", "quality")
MODELS = {"mlp": "mlp-dropout", "dcgan": "dcgan"}  # both from one article, at their published widths
BATCH = 64
QUALITY_EPOCHS = 5
QUALITY_MODELS = ("mlp",)  # five epochs of the tutorial's DCGAN take too long
SHORT_IMAGES = {"mlp": 30_000, "dcgan": 10_000}  # budget of the run that times evaluation and tracking
QUICK: dict[str, dict[str, float]] = {"mlp": {}, "dcgan": {"recipe.width": 16}}
TUTORIAL, BARE, TRAIN, ALL_CORES, SUITE = "tutorial", "bare", "train", "train, all cores", "train, one a core"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The models and parts to benchmark, and the number and length of turns."""

    models: tuple[str, ...] = tuple(MODELS)
    parts: tuple[str, ...] = PARTS
    turns: int = 5
    seconds: float = 2.0
    dataset: str = "auto"

    def check(self) -> None:
        """Raise a UserError for an unknown name or a value out of range."""
        for given, known, what in ((self.models, tuple(MODELS), "model"), (self.parts, PARTS, "part")):
            if not given:
                raise UserError(f"the list of models or parts is empty: name at least one of {', '.join(known)}")
            for name in given:
                if name not in known:
                    raise UserError(f"unknown {what} {name!r}{nearest(name, known)}")
        if not (1 <= self.turns <= 1000 and 0.1 <= self.seconds <= 600):
            raise UserError(f"--turns takes 1 to 1000 and --seconds 0.1 to 600, not {self.turns} and {self.seconds:g}")
        if self.parts == ("quality",) and not set(self.models) & set(QUALITY_MODELS):
            raise UserError(f"the part quality is available only for {', '.join(QUALITY_MODELS)}: add it to the models")
        for name in self.models:
            check(override(config_of(name, self.dataset), {"budget.images": BATCH}))


@dataclass(kw_only=True)
class Speed:
    """The results of all parts. Rates are in images per second. A part outside the setting is empty."""

    machine: Mapping[str, Any]
    setting: Setting
    rates: dict[str, dict[str, Rate]] = field(default_factory=dict)  # by model, by contender
    peaks: dict[str, Rate] = field(default_factory=dict)  # by model: operations per second of a matrix product in the same turns
    flops: dict[str, float] = field(default_factory=dict)  # for each image, by model
    memory_mb: dict[str, dict[str, float]] = field(default_factory=dict)
    wholes: dict[str, dict[str, RunTimes]] = field(default_factory=dict)  # by model, by suite of the settings
    quality: dict[str, dict[str, QualityPoint | None]] = field(default_factory=dict)

    @property
    def ratios(self) -> dict[str, float]:
        """Ratios of the requested parts by name, for comparison between machines. Ratios of rates are medians over turns."""
        found: dict[str, float] = {}
        for model, rates in self.rates.items():
            found[f"train_over_bare.{model}"] = ratio(rates[TRAIN], rates[BARE]).median
            found[f"train_over_tutorial.{model}"] = ratio(rates[ALL_CORES], rates[TUTORIAL]).median
            found[f"suite_over_tutorial.{model}"] = ratio(rates[SUITE], rates[TUTORIAL]).median
            found[f"flops_over_peak.{model}"] = ratio(rates[TRAIN], self.peaks[model]).median * self.flops[model]
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


def measure(setting: Setting) -> Speed:
    """Run the requested parts. Writes only the cache of real images that every evaluation writes. Raises UserError."""
    setting.check()
    configs = {name: config_of(name, setting.dataset) for name in setting.models}
    speed = Speed(machine=_machine(next(iter(configs.values()))), setting=setting)
    for name, config in configs.items():
        for part, do in (("loops", _loops), ("run", _runs), ("quality", _quality)):
            if part in setting.parts and (part != "quality" or name in QUALITY_MODELS):
                do(speed, name, config)
    return speed


def config_of(model: str, dataset: str = "auto") -> RunConfig:
    """Return the model's default configuration on the CPU, with the benchmark's batch size."""
    settings = {"dataset": dataset, "recipe.batch_size": BATCH, "device": "cpu", "budget.images": 10**9}
    return resolve(override(config_for(MODELS[model]), settings))


def _machine(config: RunConfig) -> dict[str, Any]:
    if config.precision == "auto":
        raise ValueError("precision='auto' cannot be measured: resolve the configuration first")
    found: dict[str, Any] = environment.describe(environment.device_of("cpu"), threads=1, precision=config.precision)
    del found["threads"]  # each loop has a different number
    return found


def _loops(speed: Speed, model: str, config: RunConfig) -> None:
    several = cores()
    contenders = {
        TUTORIAL: Contender(loop="tutorial", config=config, threads=several),
        BARE: Contender(loop="bare", config=config, threads=1),
        TRAIN: Contender(loop="train", config=config, threads=1),
        ALL_CORES: Contender(loop="train", config=override(config, {"threads": several}), threads=several),
        SUITE: Contender(loop="train", config=config, threads=1, processes=several),
        GEMM: Contender(loop=GEMM, config=config, threads=1),
    }
    setting = speed.setting
    with hosts(contenders) as running, progress(f"loops of {model}, turns", len(contenders) * (1 + setting.turns)) as advance:
        rates = race(running, turns=setting.turns, seconds=setting.seconds, advance=advance)
        speed.memory_mb[model] = {name: host.extra_memory_mb() for name, host in running.items() if name != GEMM}
    speed.peaks[model] = rates.pop(GEMM)
    speed.rates[model] = rates
    speed.flops[model] = flops_per_image(config)


def _runs(speed: Speed, model: str, config: RunConfig) -> None:
    wholes = speed.wholes.setdefault(model, {})
    for suite, settings in (("standard", {"budget.images": SHORT_IMAGES[model]}), ("quick", QUICK[model])):
        log.warning("measuring a run of %s with the evaluation settings of the suite %s", model, suite)
        ours = SUITES.get(suite).settings
        own = {path: value for path, value in ours.items() if path.startswith(("evaluation.", "budget."))}
        whole = in_process(whole_run, override(config, {**own, **settings}).canonical(), threads=1)
        wholes[suite] = whole.at(int(ours["budget.images"]), _train_rate(speed, model, config)) if suite == "standard" else whole


def _train_rate(speed: Speed, model: str, config: RunConfig) -> float:
    """Return the images per second of train() on one thread, from the part `loops` or from a new measurement."""
    if model in speed.rates:
        return speed.rates[model][TRAIN].median
    with hosts({TRAIN: Contender(loop="train", config=config, threads=1)}) as running:
        return race(running, turns=speed.setting.turns, seconds=speed.setting.seconds)[TRAIN].median


def _quality(speed: Speed, model: str, config: RunConfig) -> None:
    several = cores()
    log.warning(
        "measuring the time to quality of %s: %d epochs of a tutorial's loop, then train() until it reaches the same classifier-FID",
        model,
        QUALITY_EPOCHS,
    )
    same = override(config, {"threads": several})
    tutorial = in_process(tutorial_quality, same.canonical(), QUALITY_EPOCHS, threads=several)
    target = tutorial[-1].value
    harness = in_process(harness_quality, same.canonical(), target, QUALITY_EPOCHS, threads=several)
    speed.quality[model] = {"tutorial": first_as_good(tutorial, target), "harness": harness}
