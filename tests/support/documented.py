"""Commands in pages of the documentation: found, parsed, and executed in this process."""

from __future__ import annotations

import shlex
import sys

import pytest

from bench.cli import main

SHORT = ("--set", "budget.images=256", "--set", "recipe.width=8", "--set", "device=cpu", "--set", "precision=fp32")


def execute_commands(block: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Execute the `ganbench` lines of a block in this process, runs with a short budget. An error or a failed run fails the test."""
    for line in block.splitlines():
        words = shlex.split(line.removeprefix("PYTHONPATH=. "), comments=True)
        assert words[0] == "ganbench"
        monkeypatch.setattr(sys, "argv", [*words, *(SHORT if words[1] == "run" else ())])
        status = 0
        try:
            main()
        except SystemExit as ended:
            status = int(ended.code or 0)
        assert status == 0, line
