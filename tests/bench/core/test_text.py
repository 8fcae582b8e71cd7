"""Tests of durations, counts and control characters in text."""

from __future__ import annotations

import pytest

from bench.core.text import duration, harmless, pluralise


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (7260, "2 h 1 min")])
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("number", "text"), [(0, "0 runs"), (1, "1 run"), (1200, "1,200 runs")])
def test_pluralise(number: int, text: str) -> None:
    assert pluralise(number, "run") == text


def test_control_characters_lose_their_effect() -> None:
    assert harmless("a\u202eb\x00\n\td\N{NO-BREAK SPACE}é\u2009👩‍🚀") == "a\ufffdb\ufffd\n\td\N{NO-BREAK SPACE}é\u2009👩‍🚀"
    assert harmless("a\r\nb\rc") == "a\r\nb\ufffdc"
