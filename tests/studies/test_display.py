"""Progress display of a study, with and without a terminal."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from fake_terminal import Output
from rich.console import Console
from small_study import STUDY, planned

from bench.runs.types import RunProgress, RunResult
from studies.display import LineStudyDisplay, LiveStudyDisplay, SearchPace, study_display_for
from studies.sweep import Standing
from studies.trial import TrialJob

JOB = TrialJob.model_construct(name="dcgan trial", key="trial-1", folder="runs", arm=1)
PROGRESS = RunProgress(
    images=320, share=0.5, budget="640 images", images_per_second=1234.5, scalars={"loss_d": 1.0, "loss_g": 2.0},
    measured={"quality/fid_distilled": 33.333},
)  # fmt: skip
DONE = RunResult(
    run_id="", variant="dcgan", dataset="digits", seed=-1, status="finished", values={"trial": 4, "quality/fid_distilled": 30.0}
)
PRUNED = RunResult(
    run_id="", variant="dcgan", dataset="digits", seed=-1, status="pruned", reason="worse [than] the median", values={"trial": 5}
)
STANDINGS = (
    Standing(variant="label-smoothed", wanted=8),
    Standing(variant="dcgan", wanted=8, complete=3, pruned=2, unscored=1, running=1, failed=1, default=50.0, best=30.0, best_trial=4),
)


@pytest.mark.parametrize("terminal", [True, False])
def test_each_trial_prints_a_line(terminal: bool, uri: str, tmp_path: Path) -> None:
    out = Output(terminal=terminal)
    display = study_display_for(Console(file=out, width=200, color_system=None, _environ={"FORCE_COLOR": "1", "TERM": "xterm"}))
    assert isinstance(display, LiveStudyDisplay if terminal else LineStudyDisplay)
    display.start(planned(uri, tmp_path, STUDY), (Standing(variant="dcgan", wanted=8, complete=2),), workers=2)
    display.update(JOB, PROGRESS)
    display.end(JOB, DONE, STANDINGS)
    display.end(JOB, PRUNED, STANDINGS)
    display.searched(STANDINGS)
    display.stop()
    text = out.getvalue()
    assert "tiny: 6 trials of 2 variants, 2 at a time; 2 already recorded" in text
    assert (
        "searching lr_g, lr_d, k for distilled FID (lower is better): 640 images per run, 1 seed per trial, sampler tpe, pruner none"
        in text
    )
    assert "[5/16] dcgan trial 4: finished, distilled FID 30; best 30 (trial 4); " in text
    assert "dcgan trial 5: pruned, worse [than] the median" in text
    assert "on 0 new seeds" in text


def test_a_terminal_shows_the_progress_of_every_variant() -> None:
    from studies.display import table

    out = io.StringIO()
    Console(file=out, width=160).print(table(STANDINGS))
    lines = [line.split() for line in out.getvalue().splitlines()]
    assert lines[1] == ["label-smoothed", "0", "of", "8", "0", "0", "0", "0", "–", "–"]
    assert lines[2] == ["dcgan", "5", "of", "8", "1", "2", "1", "1", "50", "30", "(trial", "4)"]


def test_a_worker_that_died_before_it_had_a_trial(uri: str, tmp_path: Path) -> None:
    out = io.StringIO()
    display = LineStudyDisplay(Console(file=out, width=200))
    display.start(planned(uri, tmp_path, STUDY), STANDINGS, workers=2)
    dead = RunResult(run_id="", variant="whatever", dataset="", seed=-1, status="failed", reason="killed")
    display.end(JOB, dead, STANDINGS)
    assert "dcgan trial: failed, killed; best 30 (trial 4)" in out.getvalue()


def test_the_time_left_is_that_of_the_trials_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("studies.display.time.monotonic", lambda: now[0])
    pace = SearchPace((Standing(variant="dcgan", wanted=10, complete=2),))
    now[0] = 140.0
    assert pace.seconds_left((Standing(variant="dcgan", wanted=10, complete=3, pruned=1),)) == 120.0
    assert pace.seconds_left((Standing(variant="dcgan", wanted=10, complete=2),)) != pace.seconds_left(STANDINGS)
