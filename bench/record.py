"""What happens at the marks of a run: points, pictures, measurements; and at its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from bench import checkpoint, pictures, results
from bench.assemble import Work
from bench.config import LOG_MARKS
from bench.evaluate import Measurement, sample
from bench.memory import peak_memory_mb
from bench.metrics.health import flags
from bench.spec import Latent, Networks, Progress
from bench.tracking import RunLog


@dataclass(frozen=True, kw_only=True)
class RunProgress:
    """What a watcher is told at every mark."""

    images: int
    budget_images: int
    images_per_second: float
    scalars: Mapping[str, float]
    measured: Mapping[str, float]  # the last measurement


Watch = Callable[[RunProgress], None]


def ignore(progress: RunProgress) -> None:
    """Watch nothing."""


class Recorder:
    """What happens at the marks of a run: points, pictures, measurements; and what a resumed run must remember of them."""

    def __init__(self, work: Work, log_: RunLog, watch: Watch) -> None:
        self.evaluate_seconds = 0.0
        self._work, self._log, self._watch = work, log_, watch
        self._history: list[dict[str, float]] = []  # the scalars of every mark, with "images"
        self._measured: dict[str, float] = {}
        self._latents: Latent | None = None
        budget, evaluation = work.config.budget.images, work.config.evaluation
        at = [max(1, round(budget * index / LOG_MARKS)) for index in range(1, LOG_MARKS + 1)]
        self.marks = at
        self._evaluations = [at[round(LOG_MARKS * index / (evaluation.marks + 1)) - 1] for index in range(1, evaluation.marks + 1)]
        self._pictures = [at[round(LOG_MARKS * share) - 1] for share in pictures.MARK_SHARES] if work.dataset.spec.kind == "image" else []

    def record(self, progress: Progress) -> None:
        """One mark."""
        values = {f"train/{name}": value for name, value in progress.scalars.items()}
        values["train/generator_updates"] = float(progress.updates["g"])
        self._history.append({"images": float(progress.images), **progress.scalars})
        if (
            not progress.diverged
            and self._crossed(self._evaluations, progress.images)
            and progress.images < self._work.config.budget.images
        ):
            self._measured = dict(self._measure(self._work.evaluator.curve).values)
            values |= self._measured
        self._log.points(values, images=progress.images, train_seconds=progress.train_seconds)
        if not progress.diverged and self._crossed(self._pictures, progress.images):
            self._log.artifact(f"{results.GRIDS}/step_{progress.images:09d}.png", self.grid())
        self._watch(
            RunProgress(
                images=progress.images,
                budget_images=self._work.config.budget.images,
                images_per_second=progress.images / max(progress.train_seconds, 1e-9),
                scalars=progress.scalars,
                measured=self._measured,
            )
        )

    def grid(self) -> bytes:
        """The grid on the fixed noise, now."""
        networks = self._work.trainer.scored
        if self._latents is None:
            self._latents = pictures.fixed_latents(networks, self._work.device)
        return pictures.grid_png(networks, self._latents)

    def interpolation(self) -> bytes:
        """The walks between fixed latents, now."""
        networks = self._work.trainer.scored
        return pictures.interpolation_png(networks, self._latents or pictures.fixed_latents(networks, self._work.device))

    def finish(self) -> Mapping[str, float]:
        """The end of a run that reached its budget: the full evaluation and everything that goes with it."""
        return self.close(self._measure(self._work.evaluator.full))

    def close(self, measurement: Measurement | None) -> Mapping[str, float]:
        """The end of a run: final values (none if it diverged), evidence, weights, last pictures."""
        work, trainer = self._work, self._work.trainer
        log_odds = trainer.objective.logits_are_log_odds
        health = [
            {"flag": flag.flag, "since_images": flag.since_images, "message": flag.message}
            for flag in flags(self._history, log_odds=log_odds)
        ]
        evidence: dict[str, Any] = {"health": health, "logits_are_log_odds": log_odds}
        values: dict[str, float] = {}
        if measurement is not None:
            values |= measurement.values
            evidence |= {**measurement.evidence, "reasons": dict(measurement.reasons)}
            self._log.artifact(results.WEIGHTS, checkpoint.weights_bytes(trainer.scored))
            if work.dataset.spec.kind == "image":
                self._log.artifact(results.FINAL_GRID, self.grid())
                self._log.artifact(results.INTERPOLATION, self.interpolation())
        self._log.json(results.EVIDENCE, evidence)
        values |= {
            "perf/train_seconds": trainer.train_seconds,
            "perf/images_per_second": trainer.images / max(trainer.train_seconds, 1e-9),
            "perf/evaluate_seconds": self.evaluate_seconds,
            "perf/log_seconds": self._log.seconds,
            "perf/peak_memory_mb": peak_memory_mb(work.device),
        }
        self._log.points(values, images=trainer.images, train_seconds=trainer.train_seconds)
        return values

    def state_dict(self) -> dict[str, Any]:
        """The whole of an unfinished run."""
        return {
            "trainer": self._work.trainer.state_dict(),
            "history": self._history,
            "measured": self._measured,
            "evaluate_seconds": self.evaluate_seconds,
            "pending": {"evaluations": self._evaluations, "pictures": self._pictures},
            "log": self._log.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self._work.trainer.load_state_dict(state["trainer"])
        self._history, self._measured = list(state["history"]), dict(state["measured"])
        self.evaluate_seconds = state["evaluate_seconds"]
        self._evaluations, self._pictures = list(state["pending"]["evaluations"]), list(state["pending"]["pictures"])
        self._log.load_state_dict(state["log"])

    def _measure(self, how: Callable[[torch.Tensor], Measurement]) -> Measurement:
        """Sample and measure, on the evaluation clock."""
        started = time.perf_counter()
        measurement = how(generated(self._work, self._work.trainer.scored))
        self.evaluate_seconds += time.perf_counter() - started
        return measurement

    @staticmethod
    def _crossed(pending: list[int], images: int) -> bool:
        """Whether a pending mark has been reached; those that have are taken out."""
        reached = [mark for mark in pending if mark <= images]
        del pending[: len(reached)]
        return bool(reached)


def generated(work: Work, networks: Networks) -> torch.Tensor:
    """The images that every metric sees: uint8 [n, C, H, W], from latents that depend on the run's seed alone."""
    config = work.config
    return sample(networks, n=work.evaluator.n, seed=config.seed, batch_size=config.evaluation.batch_size, device=work.device)
