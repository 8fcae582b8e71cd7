"""Tests of the progress of a long preparation, in the log and on a terminal."""

from __future__ import annotations

import io
import logging
import sys

import pytest

from bench.data.progress import lines, progress


def test_a_log_gets_a_line_every_few_seconds_with_rate_and_time_left(caplog: pytest.LogCaptureFixture) -> None:
    times = iter([0.0, 4.0, 10.0, 12.0, 25.0])
    advance = lines("reading photos", 2000, clock=lambda: next(times))
    with caplog.at_level(logging.WARNING):
        for _ in range(4):
            advance(250)
    assert [record.message for record in caplog.records] == [
        "reading photos: 500 of 2,000, 50 a second, 30 s left",
        "reading photos: 1,000 of 2,000, 40 a second, 25 s left",
    ]


def test_what_is_quick_says_nothing(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    with progress("reading", 2) as advance:
        advance(2)
    assert not caplog.records
    assert capfd.readouterr() == ("", "")


def test_a_terminal_gets_a_bar_on_stderr(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with progress("reading [photos]", 40) as advance:
        for _ in range(4):
            advance(10)
    assert "reading [photos]" in terminal.getvalue()
    assert "40/40" in terminal.getvalue()
    assert capfd.readouterr().out == ""
