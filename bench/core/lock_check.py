"""The exception that stops a writer which lost its run lock, and a check for writers without a run lock."""

from __future__ import annotations


class LockLost(Exception):
    """Exception of a process whose run lock another process has taken over, so that it must not write. The message names the other process."""


def free() -> None:
    """Do nothing. This is the check of writers without a run lock."""
