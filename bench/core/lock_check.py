"""The check before each write of a run: it raises LockLost where another process has taken the run over."""

from __future__ import annotations


class LockLost(Exception):
    """Another process has taken over the run lock: this one must not write any more. The message names it."""


def free() -> None:
    """A check that always passes, for writers without a run lock."""
