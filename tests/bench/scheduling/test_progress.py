"""Displays of a suite, with and without a terminal."""

from __future__ import annotations

import io
import math
import re
from dataclasses import replace

import pytest
from fake_terminal import Output
from rich.console import Console

from bench.metrics.columns import FID_CLASSIFIER, FID_DISTILLED
from bench.runs.types import RunProgress, RunResult
from bench.scheduling.estimate import Estimate, VariantSpeed
from bench.scheduling.jobs import Job
from bench.scheduling.progress import BarDisplay, LineDisplay, Workload, display_for, result_text, status_text


class ARun(Job):
    """Job that is only displayed."""

    kind = "run"


JOB = ARun(name="dcgan seed 0", key="abc", folder="runs")
PROGRESS = RunProgress(
    images=500, share=0.5, budget="1,000 images", images_per_second=1234.5, scalars={"loss_d": 1.0, "loss_g": 2.0, "p_real": 0.5},
    measured={"quality/fid_classifier": 33.333}, flags=("D too strong",),
)  # fmt: skip
EXPECTED = Estimate(
    seconds={"abc": 90.0}, speeds={"dcgan": VariantSpeed(images_per_second=1000.0, samples_per_second=1.0, images_per_update=64.0)}
)  # fmt: skip
RESULT = RunResult(run_id="r", variant="dcgan", dataset="digits", seed=0, status="finished", values={"quality/fid_classifier": 30.0})


@pytest.mark.parametrize("terminal", [True, False])
def test_shows_rates_losses_and_the_last_fid(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LineDisplay, "EVERY_SECONDS", 0.0)
    out = Output(terminal=terminal)
    display = display_for(Console(file=out, width=160, color_system=None, _environ={"TERM": "xterm"}))
    assert isinstance(display, BarDisplay if terminal else LineDisplay)
    display.start([JOB], workers=2, expected=EXPECTED)
    display.update(JOB, PROGRESS)
    display.end(JOB, RESULT)
    display.stop()
    text = out.getvalue()
    assert "1 job, 1 at a time: about 1 min 30 s by a short speed test of each variant" in text
    assert "images/s: dcgan 1,000" in text
    assert "dcgan seed 0: finished, classifier-FID 30.00" in text
    if not terminal:
        assert "50% of 1,000 images, 1,234 images/s, loss_d 1.00, loss_g 2.00, classifier-FID 33.33, D TOO STRONG" in text


def test_a_captured_pipe_has_no_bars_even_with_forced_colours() -> None:
    out = Output(terminal=False)
    display = display_for(Console(file=out, width=160, _environ={"FORCE_COLOR": "1", "TERM": "xterm-color"}))
    display.start([JOB], workers=2, expected=EXPECTED)
    display.update(JOB, PROGRESS)
    display.end(JOB, RESULT)
    display.stop()
    assert "dcgan seed 0: finished" in out.getvalue()
    assert not re.search(r"\r|\x1b\[\??[\d;]*[A-Zhl]", out.getvalue())  # neither moves of the cursor nor a hidden cursor


def test_lines_have_the_headline_that_the_run_keeps() -> None:
    """A run that began under classifier-FID still measures it, although its data now ranks by distilled FID."""
    values = {FID_DISTILLED: 5.0, FID_CLASSIFIER: 33.0}
    resumed = replace(PROGRESS, measured=values, headline=FID_CLASSIFIER)
    assert "classifier-FID 33.00" in status_text(resumed)
    assert "distilled" not in status_text(resumed)
    result = replace(RESULT, values=values, headline=FID_CLASSIFIER)
    assert result_text(JOB, result) == "dcgan seed 0: finished, classifier-FID 33.00"
    assert "classifier-FID" not in result_text(JOB, replace(result, values={FID_DISTILLED: 5.0}))
    assert "distilled FID 5.00" in result_text(JOB, replace(result, headline=""))


def test_a_reason_is_printed_without_markup(capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    display = LineDisplay(Console(file=out, width=160))
    display.start([JOB], workers=2, expected=EXPECTED)
    display.end(JOB, RunResult(run_id="r", variant="dcgan", dataset="digits", seed=0, status="failed", reason="[red]odd[/red] reason"))
    assert "dcgan seed 0: failed, [red]odd[/red] reason" in out.getvalue()


def test_the_remaining_time_combines_the_estimate_and_the_actual_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("bench.scheduling.progress.time.monotonic", lambda: now[0])
    jobs = [JOB.model_copy(update={"key": key}) for key in ("long", "short")]
    estimate = Estimate(seconds={"long": 900.0, "short": 100.0})
    work = Workload(jobs, 2, estimate)
    assert work.seconds_left == pytest.approx(500)  # 1,000 seconds of work, two jobs at a time
    now[0] += 200.0
    work.set_share(jobs[0], 0.5)
    work.set_share(jobs[0], 0.2)  # a late message does not decrease the share
    assert work.done == pytest.approx(450)
    assert 225 < work.seconds_left < 275  # the speed is about as estimated
    now[0] += 600.0
    assert work.seconds_left > 700  # the speed is lower than estimated


def test_without_an_estimate_the_remaining_time_comes_from_the_completed_work() -> None:
    work = Workload([JOB], 2, Estimate())
    assert math.isnan(work.seconds_left)
    work.set_share(JOB, 0.5)
    assert work.seconds_left >= 0
