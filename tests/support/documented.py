"""Commands in pages of the documentation: found, and executed in this process."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest

from bench.cli import main

ROOT = Path(__file__).parents[2]
PAGES = [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")), *sorted((ROOT / "docs").rglob("*.md"))]
ENDS = {"|", "||", "&&", ";", ">", ">>", "2>&1", "&"}
SHELLS = {"", "sh", "bash", "shell", "console"}
NUMBERS = {"N", "M", "IMAGES", "SECONDS"}  # placeholders for a number
SHORT = ("--set", "budget.images=256", "--set", "recipe.width=8", "--set", "device=cpu", "--set", "precision=fp32")


def without_code(page: str) -> str:
    """Return the prose of a page, without code blocks and inline code."""
    return re.sub(r"`[^`\n]*`", "``", re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL))


def code(page: str) -> list[str]:
    """Return the lines of shell blocks, and inline code."""
    blocks = [block for language, block in re.findall(r"^```(\w*)\n(.*?)^```", page, re.MULTILINE | re.DOTALL) if language in SHELLS]
    prose = re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [*lines, *(span.replace("\\|", "|").replace("\n", " ") for span in re.findall(r"`([^`]+)`", prose))]


def commands(page: str, program: str) -> list[list[str]]:
    """Return the arguments of each call of a program, without pipes and redirections."""
    found = []
    for line in code(page):
        for call in re.findall(rf"(?:^|[;&|$] ?|\s)(?:\.venv/bin/)?{program} ([^;&]+)", line):
            words = shlex.split(call, comments=True)
            end = next((index for index, word in enumerate(words) if word in ENDS), len(words))
            found.append([plain(word) for word in words[:end] if word not in ("...", "…")])
    return [words for words in found if words]


def plain(word: str) -> str:
    """Return an argument as a user types it: the first of several alternatives, and values for placeholders and variables of the shell."""
    word = re.sub(r"^\[(.*)\]$", r"\1", word)
    word = word.partition("|")[0] if re.fullmatch(r"[\w|-]+", word) else word
    if re.fullmatch(r"\$[A-Z]+", word):
        return "*"
    return "1" if word in NUMBERS or re.fullmatch(r"\$[a-z]+", word) else word


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
