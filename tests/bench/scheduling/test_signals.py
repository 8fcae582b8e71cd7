"""Handling of Ctrl-C and SIGTERM."""

from __future__ import annotations

import os
import signal

import pytest

from bench.scheduling.signals import stop_on_signal


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_requests_a_stop_and_the_second_interrupts(number: signal.Signals, second: signal.Signals) -> None:
    announced: list[str] = []
    before = signal.getsignal(number)
    with stop_on_signal(announced.append) as stop:
        assert not stop()
        os.kill(os.getpid(), number)
        assert stop()
        assert len(announced) == 1
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), second)
        assert len(announced) == 1
    assert signal.getsignal(number) is before
