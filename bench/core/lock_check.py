"""The exception that stops a writer which lost its run lock, and a check for writers without a run lock."""

from __future__ import annotations


class LockLost(Exception):
    """Another process holds the run lock, so this process must not write any more. The message names the other process."""


def free() -> None:
    """Pass always. This is the check of writers without a run lock."""
