"""Recorder of a run, which logs points, pictures and evaluations.

A log point is a position in training at which the recorder logs values. At some of them, the evaluation points, it also measures the headline metric.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from typing import Any

from bench.core import random_streams, serialization
from bench.core.config import LOG_MARKS
from bench.core.memory import peak_memory_mb
from bench.core.spec import Latent, Networks, Progress
from bench.evaluation import best_checkpoint, grids, latent_space
from bench.evaluation.best_checkpoint import BestCheckpoint
from bench.evaluation.evaluator import Evaluator, Measurement
from bench.evaluation.samples import Samples, draw_samples
from bench.metrics.columns import BEST, GENERATOR_UPDATES, IMAGES_PER_SECOND, TRAIN_SECONDS
from bench.runs.health import Flag, flags
from bench.runs.preparation import Work
from bench.runs.types import RunProgress, Watch
from bench.tracking import results
from bench.tracking.logged_images import SAMPLES
from bench.tracking.run_logger import RunLog


class Recorder:
    """Recorder of points, pictures and evaluations of a run. It also saves and restores the state of the run."""

    def __init__(self, work: Work, log_: RunLog, watch: Watch) -> None:
        self.evaluate_seconds = 0.0
        self.reasons: dict[str, str] = {}  # why a final value is NaN, by key
        self._work, self._log, self._watch = work, log_, watch
        self._history: list[dict[str, float]] = []  # scalars at every log point, with "images"
        self._measured: dict[str, float] = {}
        self._measured_at = 0
        self._latents: Latent | None = None
        self._best = BestCheckpoint()
        budget, whole = work.trainer.budget, work.trainer.budget_images is not None
        at = [max(1, round(budget * index / LOG_MARKS)) if whole else budget * index / LOG_MARKS for index in range(1, LOG_MARKS + 1)]
        self.marks = at
        shares = [index / (work.config.evaluation.marks + 1) for index in range(1, work.config.evaluation.marks + 1)]
        self._evaluations = [at[round(LOG_MARKS * share) - 1] for share in shares] if work.evaluator else []
        self._pictures = [at[round(LOG_MARKS * share) - 1] for share in grids.MARK_SHARES]
        log_.end_at(work.trainer.budget_images)

    def record(self, progress: Progress) -> None:
        """Log the values at a log point. If an evaluation or a picture is due, log it too."""
        values = {f"train/{name}": value for name, value in progress.scalars.items()}
        values[GENERATOR_UPDATES] = float(progress.updates["g"])
        self._history.append({"images": float(progress.images), **progress.scalars})
        if not progress.diverged:
            values |= self._evaluate(progress)
        self._log.points(values, images=progress.images, train_seconds=progress.train_seconds)
        if not progress.diverged and (reached := self._pop_reached(self._pictures, progress.position)):
            # With a budget in images, all variants have their pictures at the same steps.
            step = progress.images if self._work.trainer.budget_images is None else round(reached)
            self._log.image(SAMPLES, step, self.grid())
        self._watch(
            RunProgress(
                images=progress.images,
                share=progress.share,
                budget=str(self._work.config.budget),
                images_per_second=progress.images / max(progress.train_seconds, 1e-9),
                scalars=progress.scalars,
                measured=self._measured,
                measured_at=self._measured_at,
                headline=self._work.evaluator.headline if self._work.evaluator else "",
                flags=tuple(flag.flag for flag in self._flags()),
            )
        )

    def _evaluate(self, progress: Progress) -> Mapping[str, float]:
        """Measure the headline metric if the log point is an evaluation point, and return it. At the end of a run, `finish` measures all metrics."""
        evaluator = self._work.evaluator
        if evaluator is None or not self._pop_reached(self._evaluations, progress.position) or progress.share >= 1:
            return {}
        self._measured, self._measured_at = dict(self._measure(evaluator, whole=False).values), progress.images
        self._offer_best(self._measured[evaluator.headline], progress.images)
        return self._measured

    def _offer_best(self, value: float, images: int) -> None:
        if self._work.config.evaluation.best:
            self._best.offer(value, images, self._work.trainer.eval_networks)

    def _flags(self) -> list[Flag]:
        return flags(self._history, log_odds=self._work.trainer.objective.logits_are_log_odds)

    def grid(self) -> bytes:
        """Return the sample grid of the fixed latents as a PNG."""
        networks, dataset = self._work.trainer.eval_networks, self._work.dataset
        if self._latents is None:
            self._latents = grids.picture_latents(networks, dataset, self._work.device)
        return grids.generated_png(networks, self._latents, dataset)

    def _interpolates(self) -> bool:
        """Return whether the generator has latents between which a picture can interpolate."""
        return self._latents is not None and self._latents.z.shape[1] > 0 and self._latents.given is None

    def interpolation(self) -> bytes:
        """Return the interpolations between fixed latents as a PNG."""
        networks = self._work.trainer.eval_networks
        return grids.interpolation_png(networks, self._latents or grids.fixed_latents(networks, self._work.device))

    def finish(self) -> Mapping[str, float]:
        """Finish a run that has reached its budget: measure all metrics, log weights and pictures, and return the final values."""
        log_, trainer, evaluator = self._log, self._work.trainer, self._work.evaluator
        values: dict[str, float] = {}
        evidence: dict[str, Any] = {}
        if evaluator is not None:
            measurement = self._measure(evaluator)
            self.reasons = dict(measurement.reasons)
            self._offer_best(measurement.values[evaluator.headline], trainer.images)
            best, chosen = self._finish_best(evaluator)
            values |= {**measurement.values, **best}
            evidence = {**measurement.evidence, **chosen, "reasons": dict(measurement.reasons)}
            if measurement.nearest is not None:
                log_.artifact(results.NEAREST, grids.nearest_png(measurement.nearest))
        log_.artifact(results.WEIGHTS, serialization.weights_bytes(trainer.eval_networks))
        grid = self.grid()
        log_.artifact(results.FINAL_GRID, grid)
        log_.image(SAMPLES, trainer.budget_images or trainer.images, grid)
        if self._work.dataset.spec.kind == "image" and self._interpolates():
            log_.artifact(results.INTERPOLATION, self.interpolation())
            evidence |= self._explore_latents(evaluator)
        return self.close(values, evidence)

    def _explore_latents(self, evaluator: Evaluator | None) -> dict[str, Any]:
        """Log pictures of the latent space, and return the evidence about them."""
        networks, device = self._work.trainer.eval_networks, self._work.device
        pictures = latent_space.traversals(networks, device)
        words: Mapping[str, Any] = {}
        if evaluator is not None and "labels" in evaluator.capabilities and not networks.classes:
            names = self._work.dataset.class_names
            explored = latent_space.explore(
                networks, evaluator.classify, names, batch_size=self._work.config.evaluation.batch_size, device=device
            )
            pictures |= explored.pictures
            words = explored.rows
        for name, picture in pictures.items():
            self._log.artifact(f"{results.LATENT}/{name}.png", picture)
        return {"latent": dict(words)} if words else {}

    def _finish_best(self, evaluator: Evaluator) -> tuple[dict[str, float], dict[str, Any]]:
        """Measure the best checkpoint on other noise, and return its metrics and evidence. Without a saved best checkpoint, both are empty."""
        networks = self._best.networks(self._work.trainer.eval_networks)
        if networks is None or not self._work.config.evaluation.best:  # the run that it extends may have saved one
            return {}, {}
        measurement = self._measure(evaluator, networks, stream=best_checkpoint.NOISE)
        self._log.artifact(results.BEST_WEIGHTS, serialization.weights_bytes(networks))
        values = {f"{BEST}{key}": value for key, value in measurement.values.items()}
        return values, {
            "best": {
                "images": self._best.images,
                "chosen_by": self._best.value,
                "metric": evaluator.headline,
                "reasons": dict(measurement.reasons),
            }
        }

    def close(self, measured: Mapping[str, float], evidence: Mapping[str, Any]) -> Mapping[str, float]:
        """End any run: log its health flags, its costs and its `measured` values, and return the values. A diverged run has no measured values."""
        trainer = self._work.trainer
        health = [{"flag": flag.flag, "since_images": flag.since_images, "message": flag.message} for flag in self._flags()]
        self._log.json(results.EVIDENCE, {"health": health, "logits_are_log_odds": trainer.objective.logits_are_log_odds, **evidence})
        values = {
            **measured,
            TRAIN_SECONDS: trainer.train_seconds,
            IMAGES_PER_SECOND: trainer.images / max(trainer.train_seconds, 1e-9),
            "perf/evaluate_seconds": self.evaluate_seconds,
            "perf/log_seconds": self._log.seconds,
            "perf/peak_memory_mb": peak_memory_mb(self._work.device),
        }
        self._log.points(values, images=trainer.images, train_seconds=trainer.train_seconds)
        return values

    def state_dict(self) -> dict[str, Any]:
        """Return the state of an unfinished run."""
        return {
            "trainer": self._work.trainer.state_dict(),
            "history": self._history,
            "measured": self._measured,
            "measured_at": self._measured_at,
            "evaluate_seconds": self.evaluate_seconds,
            "curve_protocol": self._work.curve_protocol,
            "best": self._best.state_dict(),
            "pending": {"evaluations": self._evaluations, "pictures": self._pictures},
            "log": self._log.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state of `state_dict`."""
        self._work.trainer.load_state_dict(state["trainer"])
        self._history, self._measured = list(state["history"]), dict(state["measured"])
        self._measured_at = int(state.get("measured_at", 0))  # checkpoints of earlier versions lack it
        self.evaluate_seconds = state["evaluate_seconds"]
        self._evaluations, self._pictures = list(state["pending"]["evaluations"]), list(state["pending"]["pictures"])
        self._best.load_state_dict(state["best"])
        self._log.load_state_dict(state["log"])

    def extend(self, state: Mapping[str, Any]) -> None:
        """Start from the end of a shorter run, with its training state, clocks and curve, but without its final metrics.

        Omits metrics at evaluation points that have another evaluation protocol, because a curve has values of only one.
        """
        self._work.trainer.load_state_dict(state["trainer"])
        self._history = list(state["history"])
        self.evaluate_seconds, self._log.seconds = state["evaluate_seconds"], state["log"]["seconds"]
        evaluator = self._work.evaluator
        measured = (evaluator.headline,) if evaluator and state["curve_protocol"] == self._work.curve_protocol else ()
        if measured:
            self._best.load_state_dict(state["best"])
        position = self._work.trainer.position
        self._evaluations, self._pictures = ([mark for mark in marks if mark > position] for marks in (self._evaluations, self._pictures))
        curve = [point for point in state["log"]["points"] if str(point[2]).startswith("train/") or point[2] in measured]
        for (images, seconds), points in itertools.groupby(curve, key=lambda point: (int(point[0]), float(point[1]))):
            self._log.points({str(point[2]): float(point[3]) for point in points}, images=images, train_seconds=seconds)

    def _measure(
        self, evaluator: Evaluator, networks: Networks | None = None, *, stream: str = random_streams.EVALUATION, whole: bool = True
    ) -> Measurement:
        """Sample and measure networks, by default the trained ones, and add the time to the evaluation clock. `whole` measures all metrics."""
        evaluator.prepare(whole=whole)  # this happens once on a machine, so the evaluation clock excludes it
        started = time.perf_counter()
        samples = samples_of_run(self._work, evaluator, networks or self._work.trainer.eval_networks, stream=stream, whole=whole)
        if whole:
            measurement = evaluator.full(samples.data, walks=samples.walks, labels=samples.labels, companions=samples.companions)
        else:
            measurement = evaluator.curve(samples.data, companions=samples.companions)
        self.evaluate_seconds += time.perf_counter() - started
        return measurement

    @staticmethod
    def _pop_reached(pending: list[float], position: float) -> float:
        """Remove the pending log points that training has reached, and return the last one, or 0 if it has reached none."""
        reached = [mark for mark in pending if mark <= position]
        del pending[: len(reached)]
        return reached[-1] if reached else 0


def samples_of_run(
    work: Work, evaluator: Evaluator, networks: Networks, *, stream: str = random_streams.EVALUATION, whole: bool = True
) -> Samples:
    """Return the samples that all metrics measure, drawn from latents that depend only on the seed of the run."""
    config = work.config
    return draw_samples(
        evaluator, networks, seed=config.seed, batch_size=config.evaluation.batch_size, device=work.device, stream=stream, whole=whole
    )
