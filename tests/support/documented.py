"""Commands in pages of the documentation: found, and executed in this process."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest

from bench.cli import main

ROOT = Path(__file__).parents[2]
SHORT = ("--set", "budget.images=256", "--set", "recipe.width=8", "--set", "device=cpu", "--set", "precision=fp32")


def without_code(page: str) -> str:
    """Return the prose of a page, without code blocks and inline code."""
    return re.sub(r"`[^`\n]*`", "``", re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL))


def execute(words: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """Execute a `ganbench` command in this process and return its exit status."""
    monkeypatch.setattr(sys, "argv", words)
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def execute_commands(block: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Execute the `ganbench` lines of a block, runs with a short budget. An error or a failed run fails the test."""
    for line in block.splitlines():
        words = shlex.split(line.removeprefix("PYTHONPATH=. "), comments=True)
        assert words[0] == "ganbench"
        assert execute([*words, *(SHORT if words[1] == "run" else ())], monkeypatch) == 0, line
