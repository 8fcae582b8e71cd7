"""Studies that take seconds, of one or two variants on the embedded digits or of runs without training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.core.config import RunConfig
from bench.metrics.columns import FID_CLASSIFIER, FID_DISTILLED
from bench.runs.types import RunContext, RunProgress, RunResult
from bench.scheduling.suite import Entry
from bench.training.loop import never
from studies import trial
from studies.plan import plan
from studies.study import Plan, Study
from studies.sweep import StudyDisplay, Sweep, sweep

STUDY = Study(
    name="tiny",
    idea="two variants, a second a trial",
    entries=(Entry(variant="label-smoothed"), Entry(variant="dcgan", settings={"recipe.width": 8})),
    space="lr-k",
    dataset="digits",
    settings={"budget.images": 640, "evaluation.marks": 1, "device": "cpu", "precision": "fp32"},
    trials=3,
    final_seeds=0,
    pruner="none",
)
ONE = replace(STUDY, entries=STUDY.entries[:1])


def planned(uri: str, folder: Path, study: Study = ONE, **choice: Any) -> Plan:
    """Return the plan of a study with its journal and checkpoints in a folder."""
    choice = {"storage": str(folder / "studies.journal"), **choice}
    return plan(study, uri=uri, folder=str(folder / "runs"), **choice)


def swept(given: Plan, *, workers: int = 1, stop: Callable[[], bool] = never, display: StudyDisplay | None = None) -> Sweep:
    """Run the missing trials of a study."""
    from bench.scheduling.scheduler import Display

    return sweep(given, workers=workers, stop=stop, display=display or StudyDisplay(), final_display=Display)


class Fake:
    """Replacement of `bench.runs.runner.run`. It computes the score of a run by a formula."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, score: Callable[[RunConfig], float | str], marks: int = 0) -> None:
        self.score, self.marks = score, marks
        self.configs: list[RunConfig] = []
        self.statuses: list[str] = []
        monkeypatch.setattr(trial, "run", self)

    def __call__(self, config: RunConfig, context: RunContext, *, stop: Any, watch: Any, judge: Any) -> RunResult:
        self.configs.append(config)
        score = self.score(config)
        budget = config.budget.images or 0
        for mark in range(1, self.marks + 1):
            share = mark / (self.marks + 1)
            images = round(budget * share) + config.seed % 7  # marks are at different images for different seeds
            value = float(score) * (2 - share) if not isinstance(score, str) else float("nan")
            progress = RunProgress(
                images=images, share=images / budget, budget="", images_per_second=1.0, scalars={}, measured={FID_DISTILLED: value},
                measured_at=images,
            )  # fmt: skip
            watch(progress)
            if why := judge(progress):
                return self._ended(config, "pruned", {"perf/train_seconds": share}, why)
        watch(RunProgress(images=budget, share=1.0, budget="", images_per_second=1.0, scalars={}, measured={}))
        if isinstance(score, str):
            return self._ended(config, score, {"perf/train_seconds": 1.0}, f"it {score}")
        values = {
            FID_DISTILLED: score,
            FID_CLASSIFIER: score,
            "quality/frechet_pixels": score,
            "quality/coverage_classifier": 1 / (1 + score),
            "perf/train_seconds": 1.0,
        }
        return self._ended(config, "finished", values, "")

    def _ended(self, config: RunConfig, status: str, values: Mapping[str, float], reason: str) -> RunResult:
        self.statuses.append(status)
        run_id = f"run-{len(self.configs)}"
        return RunResult(
            run_id=run_id, variant=config.variant, dataset=config.dataset, seed=config.seed, status=status, reason=reason, values=values
        )
