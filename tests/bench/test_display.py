"""What a suite shows, where there is a terminal and where there is none."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from bench.display import BarDisplay, LineDisplay, display_for, duration
from bench.execute import Job
from bench.record import RunProgress
from bench.run import RunResult

JOB = Job(name="dcgan seed 0", kind="run", key="abc", arguments={}, folder="runs")
PROGRESS = RunProgress(
    images=500, budget_images=1000, images_per_second=1234.5, scalars={"loss_d": 1.0, "loss_g": 2.0, "p_real": 0.5},
    measured={"quality/fid_classifier": 33.333},
)  # fmt: skip
RESULT = RunResult(run_id="r", variant="dcgan", dataset="digits", seed=0, status="finished", values={"quality/fid_classifier": 30.0})


@pytest.mark.parametrize("terminal", [True, False])
def test_shows_rates_losses_and_the_last_fid(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LineDisplay, "EVERY_SECONDS", 0.0)
    out = io.StringIO()
    display = display_for(Console(file=out, force_terminal=terminal, width=160))
    assert isinstance(display, BarDisplay if terminal else LineDisplay)
    display.start([JOB])
    display.update(JOB, PROGRESS)
    display.end(JOB, RESULT)
    display.stop()
    text = out.getvalue()
    assert "dcgan seed 0: finished, classifier-FID 30.00" in text
    if not terminal:
        assert "500 of 1,000 images, 1,234 images/s, loss_d 1.00, loss_g 2.00, classifier-FID 33.33" in text


def test_a_reason_is_shown_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    display = LineDisplay(Console(file=out, width=160))
    display.start([JOB])
    display.end(JOB, RunResult(run_id="r", variant="dcgan", dataset="digits", seed=0, status="failed", reason="[red]odd[/red] reason"))
    assert "dcgan seed 0: failed, [red]odd[/red] reason" in out.getvalue()


@pytest.mark.parametrize(("seconds", "said"), [(0.4, "0 s"), (59, "59 s"), (61, "1 min 1 s")])
def test_duration(seconds: float, said: str) -> None:
    assert duration(seconds) == said
