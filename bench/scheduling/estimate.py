"""How long an execution will take: from a short probe of each variant on this machine. Writes nothing, and promises nothing."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from bench.core.config import DATASETS, Budget, Evaluation, RunConfig
from bench.core.errors import one_line
from bench.core.threads import limited_threads
from bench.evaluation.evaluator import Evaluator, evaluator_for, reference_images
from bench.evaluation.reference_rows import reference_row
from bench.evaluation.sampling import sample
from bench.runs.prepare import Built, Work, check, prepare
from bench.scheduling.planner import TO_DO, PlannedAction

log = logging.getLogger(__name__)

WARM_ROUNDS = 3
PROBE_SECONDS = 0.4
PROBE_SAMPLES = 500


@dataclass(frozen=True, kw_only=True)
class VariantSpeed:
    """How fast a variant trains and samples here, alone on the machine."""

    images_per_second: float
    samples_per_second: float
    images_per_update: float  # of the generator


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Seconds of each thing to do, by fingerprint; without an entry where a probe failed."""

    seconds: dict[str, float] = field(default_factory=dict)
    paces: dict[str, VariantSpeed] = field(default_factory=dict)  # by variant

    def wall_seconds(self, workers: int) -> float:
        """About how long all of it takes with so many workers."""
        longest = max(self.seconds.values(), default=0.0)
        return max(longest, sum(self.seconds.values()) / workers)


class SpeedProbe:
    """The paces of an execution's configurations. Networks are built once for the check and the probe, and are not kept."""

    def __init__(self, *, probe: bool = True) -> None:
        """Without `probe` configurations are only checked, and every pace is unknown."""
        self._probe = probe
        self._checked: set[str] = set()
        self._found: dict[str, VariantSpeed | None] = {}

    def check(self, config: RunConfig) -> None:
        """Check that a run can be built, trained and measured, if no run that differs in its seed alone was; a UserError where it cannot."""
        key = config.model_copy(update={"seed": 0}).canonical()
        if key in self._checked:
            return
        self._checked.add(key)
        built = check(config)
        if self._probe and _same_pace(config) not in self._found:
            self._found[_same_pace(config)] = _pace(config, built)

    def of(self, config: RunConfig) -> VariantSpeed | None:
        """The pace of a configuration; None where it is not probed, or cannot be."""
        if self._probe and _same_pace(config) not in self._found:  # a finished run that is only measured again
            self._found[_same_pace(config)] = _pace(config)
        return self._found.get(_same_pace(config))


def estimate(actions: Sequence[PlannedAction], paces: SpeedProbe) -> Estimate:
    """Estimate all that is to do; nothing where nothing is probed."""
    seconds: dict[str, float] = {}
    named: dict[str, VariantSpeed] = {}
    measuring: dict[tuple[str, Evaluation], EvaluationCost] = {}
    for action in actions:
        if action.kind not in TO_DO:
            continue
        config = action.config
        pace, where = paces.of(config), (config.dataset, config.evaluation.how())
        if pace is None:
            continue
        named[config.variant] = pace
        measure = measuring.setdefault(where, EvaluationCost(config))
        seconds[action.fingerprint] = _seconds(action, pace, measure)
    return Estimate(seconds=seconds, paces=named)


class EvaluationCost:
    """What evaluations on one dataset cost, timed on real images when first asked for."""

    def __init__(self, config: RunConfig) -> None:
        self._evaluator = evaluator_for(DATASETS.get(config.dataset), config.evaluation)
        self.n = self._evaluator.n if self._evaluator else 0

    @cached_property
    def curve_seconds(self) -> float:
        """One measurement of the headline."""
        return self._timed(lambda evaluator, images: evaluator.curve(images))

    @cached_property
    def full_seconds(self) -> float:
        """One measurement of everything: what the row `real` took, which is needed anyway and kept."""
        return 0.0 if self._evaluator is None else reference_row("real", self._evaluator).seconds

    def _timed(self, how: Callable[[Evaluator, Any], object]) -> float:
        if self._evaluator is None:
            return 0.0
        with limited_threads(1):
            images = reference_images(self._evaluator.dataset, self.n)
            self._evaluator.prepare()
            started = time.perf_counter()
            how(self._evaluator, images)
        return time.perf_counter() - started


def _seconds(action: PlannedAction, pace: VariantSpeed, measuring: EvaluationCost) -> float:
    """Training and measuring of one run."""
    evaluation = action.config.evaluation
    sampling = measuring.n / pace.samples_per_second
    ends = 2 if evaluation.best else 1
    if action.kind == "score":
        return sampling + measuring.full_seconds
    measured = evaluation.marks * (sampling + measuring.curve_seconds) if evaluation.marks else 0.0
    return _train_seconds(action, pace) + measured + ends * (sampling + measuring.full_seconds)


def _train_seconds(action: PlannedAction, pace: VariantSpeed) -> float:
    """Seconds of training; a stopped run counts whole, for how far it came is known to its checkpoint alone."""
    budget = action.config.budget
    if budget.train_seconds is not None:
        return budget.train_seconds
    done = action.base.images if action.base else 0
    images = budget.images if budget.images is not None else (budget.generator_updates or 0) * pace.images_per_update
    return max(0, images - done) / pace.images_per_second


def _same_pace(config: RunConfig) -> str:
    """The configuration without what does not change its pace."""
    return config.model_copy(update={"seed": 0, "budget": Budget(), "evaluation": Evaluation()}).canonical()


def _pace(config: RunConfig, built: Built | None = None) -> VariantSpeed | None:
    """The pace of a variant, or None with a line that says why it could not be probed: its runs will say more."""
    try:
        with limited_threads(config.threads):
            work = prepare(config.model_copy(update={"budget": Budget(images=1)}), built)  # so that what grows in a share of it has grown
            return VariantSpeed(
                images_per_second=_training(work),
                samples_per_second=_sampling(work),
                images_per_update=work.trainer.images / work.trainer.updates["g"],
            )
    except Exception as error:  # whatever a variant raises, its own runs will record
        log.warning("%s cannot be probed, so there is no estimate for it: %s", config.variant, one_line(error))
        return None


def _training(work: Work) -> float:
    """Images a second over rounds of `PROBE_SECONDS`."""
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


def _sampling(work: Work) -> float:
    networks = work.trainer.eval_networks
    started = time.perf_counter()
    points = work.dataset.spec.kind == "points"
    sample(networks, n=PROBE_SAMPLES, seed=0, batch_size=work.config.evaluation.batch_size, device=work.device, points=points)
    return PROBE_SAMPLES / (time.perf_counter() - started)
