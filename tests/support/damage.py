"""Hypothesis strategies for damaged files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from bench.core.errors import UserError

EXAMPLES, MANY = 50, 2_000


def fuzz(examples: int) -> settings:
    """Return settings for reproducible examples without a time limit."""
    return settings(
        derandomize=True, deadline=None, database=None, max_examples=examples,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
    )  # fmt: skip


def at_every_size(test: Callable[..., None]) -> Any:
    """Parametrize a test with few examples, and with many in the fault-injection tests."""
    return pytest.mark.parametrize("examples", [EXAMPLES, pytest.param(MANY, marks=pytest.mark.faults)])(test)


def mistake(call: Callable[[], object], kind: type[Exception] = UserError) -> str:
    """Return the one-line message of the error of this kind that a call raises, or an empty string. Other errors propagate."""
    try:
        call()
    except kind as error:
        message = str(error)
    else:
        return ""
    assert len(message.splitlines()) == 1, message
    return message


@st.composite
def damaged(draw: st.DrawFn, content: bytes, *, start: int = 0) -> bytes:
    """Draw damaged content: truncated, doubled, replaced, or with flipped bits or moved, inserted or zero bytes.

    The damage lies after `start`, often in the first bytes because parsers read them first.
    """
    end = draw(st.sampled_from([len(content), min(len(content), 64), min(len(content), 4096)]))
    place = st.integers(min(start, max(end - 1, 0)), max(end - 1, 0))
    match draw(st.sampled_from(["cut", "flip", "splice", "insert", "zeros", "other", "double"])):
        case "cut":
            return content[: draw(place)]
        case "flip":
            changed = bytearray(content)
            for _ in range(draw(st.integers(1, 4))):
                changed[draw(place)] ^= 1 << draw(st.integers(0, 7))
            return bytes(changed)
        case "splice":
            at, source, length = draw(place), draw(place), draw(st.integers(1, 64))
            return content[:at] + content[source : source + length] + content[at + length :]
        case "insert":
            at = draw(place)
            return content[:at] + draw(st.binary(min_size=1, max_size=16)) + content[at:]
        case "zeros":
            at, length = draw(place), draw(st.sampled_from([1, 8, 512, 4096]))
            return content[:at] + b"\0" * min(length, len(content) - at) + content[at + length :]
        case "double":
            return content + content
    return draw(st.binary(max_size=200))
