"""Estimate of the duration of planned actions. A short probe measures the speed of each variant on this machine. It records nothing."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from bench.core.config import DATASETS, Budget, Evaluation, RunConfig
from bench.core.errors import one_line
from bench.core.random_streams import ALL_TRAINING
from bench.core.threads import limited_threads
from bench.evaluation.evaluator import Evaluator, evaluator_for, reference_images
from bench.evaluation.reference_rows import reference_row
from bench.evaluation.sampling import sample
from bench.runs.preparation import Built, Work, check, prepare
from bench.scheduling.planner import TO_DO, PlannedAction

log = logging.getLogger(__name__)

WARM_ROUNDS = 3
PROBE_SECONDS = 0.4
PROBE_SAMPLES = 500
SAME_RANDOMNESS: dict[str, Any] = {"seed": 0, "vary": ALL_TRAINING}  # the speed does not depend on these settings


@dataclass(frozen=True, kw_only=True)
class VariantSpeed:
    """Speed of a variant in training and sampling, without other runs on this machine."""

    images_per_second: float
    samples_per_second: float
    images_per_update: float  # images of one generator update


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Estimated seconds of each action, by fingerprint. Actions whose probe failed have no entry."""

    seconds: dict[str, float] = field(default_factory=dict)
    speeds: dict[str, VariantSpeed] = field(default_factory=dict)  # by variant

    def wall_seconds(self, workers: int) -> float:
        """Return the estimated seconds of all actions with this number of workers."""
        longest = max(self.seconds.values(), default=0.0)
        return max(longest, sum(self.seconds.values()) / workers)


class SpeedProbe:
    """Checker and speed probe of configurations. It builds the networks once for both, and then discards them."""

    def __init__(self, *, probe: bool = True) -> None:
        """Create a probe. If `probe` is false, it only checks configurations, and all speeds are unknown."""
        self._probe = probe
        self._checked: set[str] = set()
        self._found: dict[str, VariantSpeed | None] = {}

    def check(self, config: RunConfig) -> None:
        """Check that a run can be built, trained and measured. All seeds and random streams share one check. Raises UserError."""
        key = config.model_copy(update=SAME_RANDOMNESS).canonical()
        if key in self._checked:
            return
        self._checked.add(key)
        built = check(config)
        if self._probe and _speed_key(config) not in self._found:
            self._found[_speed_key(config)] = _probe(config, built)

    def speed(self, config: RunConfig) -> VariantSpeed | None:
        """Return the speed of a configuration. The result is None without a probe, or if the probe failed."""
        if self._probe and _speed_key(config) not in self._found:  # a finished run that is to be rescored
            self._found[_speed_key(config)] = _probe(config)
        return self._found.get(_speed_key(config))


def estimate(actions: Sequence[PlannedAction], probes: SpeedProbe) -> Estimate:
    """Estimate the duration of actions. The result is empty without a probe."""
    seconds: dict[str, float] = {}
    speeds: dict[str, VariantSpeed] = {}
    costs: dict[tuple[str, Evaluation], EvaluationCost] = {}
    for action in actions:
        if action.kind not in TO_DO:
            continue
        config = action.config
        speed, key = probes.speed(config), (config.dataset, config.evaluation.how())
        if speed is None:
            continue
        speeds[config.variant] = speed
        cost = costs.setdefault(key, EvaluationCost(config))
        seconds[action.fingerprint] = _seconds(action, speed, cost)
    return Estimate(seconds=seconds, speeds=speeds)


class EvaluationCost:
    """Duration of evaluations on one dataset. The first use measures it on real images."""

    def __init__(self, config: RunConfig) -> None:
        self._evaluator = evaluator_for(DATASETS.get(config.dataset), config.evaluation)
        self.n = self._evaluator.n if self._evaluator else 0

    @cached_property
    def curve_seconds(self) -> float:
        """Seconds of an evaluation of the headline metric."""
        return self._time(lambda evaluator, images: evaluator.curve(images))

    @cached_property
    def full_seconds(self) -> float:
        """Seconds of an evaluation of all metrics, as measured for the reference row `real`, which is cached."""
        return 0.0 if self._evaluator is None else reference_row("real", self._evaluator).seconds

    def _time(self, how: Callable[[Evaluator, Any], object]) -> float:
        if self._evaluator is None:
            return 0.0
        with limited_threads(1):
            images = reference_images(self._evaluator.dataset, self.n)
            self._evaluator.prepare()
            started = time.perf_counter()
            how(self._evaluator, images)
        return time.perf_counter() - started


def _seconds(action: PlannedAction, speed: VariantSpeed, cost: EvaluationCost) -> float:
    """Return the seconds of training and evaluation of one run."""
    evaluation = action.config.evaluation
    sampling = cost.n / speed.samples_per_second
    ends = 2 if evaluation.best else 1
    if action.kind == "score":
        return sampling + cost.full_seconds
    measured = evaluation.marks * (sampling + cost.curve_seconds) if evaluation.marks else 0.0
    return _train_seconds(action, speed) + measured + ends * (sampling + cost.full_seconds)


def _train_seconds(action: PlannedAction, speed: VariantSpeed) -> float:
    """Return the seconds of training. For an interrupted run, this is the whole training, because only its checkpoint has its progress."""
    budget = action.config.budget
    if budget.train_seconds is not None:
        return budget.train_seconds
    done = action.base.images if action.base else 0
    images = budget.images if budget.images is not None else (budget.generator_updates or 0) * speed.images_per_update
    return max(0, images - done) / speed.images_per_second


def _speed_key(config: RunConfig) -> str:
    """Return the configuration without the settings that do not change its speed."""
    return config.model_copy(update=SAME_RANDOMNESS | {"budget": Budget(), "evaluation": Evaluation()}).canonical()


def _probe(config: RunConfig, built: Built | None = None) -> VariantSpeed | None:
    """Return the speed of a variant. If the probe fails, log a warning and return None. The runs of the variant record the error."""
    try:
        with limited_threads(config.threads):
            smallest = config.model_copy(update={"budget": Budget(images=1)})  # networks that grow with the budget are fully grown
            work = prepare(smallest, built)
            return VariantSpeed(
                images_per_second=_training_speed(work),
                samples_per_second=_sampling_speed(work),
                images_per_update=work.trainer.images / work.trainer.updates["g"],
            )
    except Exception as error:  # any error of a variant, which its runs record
        log.warning("cannot measure the speed of %s, so its runs have no estimate: %s", config.variant, one_line(error))
        return None


def _training_speed(work: Work) -> float:
    """Return the images per second of training, over `PROBE_SECONDS`."""
    trainer = work.trainer
    with trainer.running():
        for _ in range(WARM_ROUNDS):
            trainer.round()
    images, seconds = trainer.images, trainer.train_seconds
    with trainer.running():
        started = time.perf_counter()
        while time.perf_counter() - started < PROBE_SECONDS:
            trainer.round()
        trainer.read_mark()  # waits for the device
    return (trainer.images - images) / (trainer.train_seconds - seconds)


def _sampling_speed(work: Work) -> float:
    networks = work.trainer.eval_networks
    started = time.perf_counter()
    points = work.dataset.spec.kind == "points"
    sample(networks, n=PROBE_SAMPLES, seed=0, batch_size=work.config.evaluation.batch_size, device=work.device, points=points)
    return PROBE_SAMPLES / (time.perf_counter() - started)
