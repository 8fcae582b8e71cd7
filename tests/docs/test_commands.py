"""The commands in the documentation exist, with their verbs, options and settings."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from bench.cli import app
from bench.cli.common import parse_settings
from bench.core.config import config_for
from bench.scheduling.suite import SUITES, plan

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "docs" / "deploy" / "README.md"]
ENDS = {"|", "||", "&&", ";", ">", ">>", "2>&1", "&"}
SHELLS = {"", "sh", "bash", "shell", "console"}
NUMBERS = {"N", "M", "IMAGES", "SECONDS"}  # placeholders for a number
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


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
    """Return an argument as a user types it, with the first of several alternatives, and a number for a placeholder."""
    word = word.strip("[]")
    word = word.partition("|")[0] if re.fullmatch(r"[\w|-]+", word) else word
    return "1" if word in NUMBERS else word


def parsed(words: list[str]) -> tuple[str, dict[str, Any]]:
    """Return (verb, its parameters). Raises for an unknown verb or option, and for an invalid value."""
    command: Any = typer.main.get_command(app)
    verb: list[str] = []
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        assert words[0] in command.commands, f"unknown verb {words[0]!r}; `ganbench --help` shows all"
        verb, command, words = [*verb, words[0]], command.commands[words[0]], words[1:]
    if hasattr(command, "commands") or {"--help", "-h"} & set(words):
        return " ".join(verb), {}
    bare = not words  # a verb without arguments
    return " ".join(verb), command.make_context(" ".join(verb), words, resilient_parsing=bare).params


def documented(program: str) -> list[Any]:
    """Return all calls of a program in the documentation, as parameters of a test."""
    return [
        pytest.param(words, id=f"{page.name}: {shlex.join(words)}")
        for page in PAGES
        for words in commands(page.read_text(encoding="utf-8"), program)
    ]


def is_name(word: str | None) -> bool:
    """Return whether a word is a registered name, not a placeholder."""
    return bool(word) and word == word.lower()


@pytest.mark.parametrize("words", documented("ganbench"))
def test_a_command_of_the_documentation_exists(words: list[str]) -> None:
    verb, params = parsed(words)
    settings = parse_settings([text for text in params.get("set_") or [] if text != "PATH=VALUE"])
    if verb in ("run", "show") and is_name(params.get("variant")):
        config_for(params["variant"], settings)
    if verb == "suite" and is_name(params.get("name")):
        choice = {name: params[name] for name in ("only", "seeds", "dataset")}
        assert plan(SUITES.get(params["name"]), **choice, settings=settings)


@pytest.mark.parametrize("words", documented("make"))
def test_a_target_of_the_documentation_exists(words: list[str]) -> None:
    target = next(word for word in words if "=" not in word)
    if re.fullmatch(r"[a-z-]+", target):
        assert target in TARGETS


def test_commands_of_the_documentation_are_found() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    found = commands(readme, "ganbench")
    assert ["run", "dcgan", "--seed", "3", "--set", "budget.images=300000"] in found
    assert ["list", "variants"] in found
    assert ["bench"] in commands(readme, "make")
    with pytest.raises(typer.BadParameter.__mro__[1], match="--sead"):
        parsed(["run", "dcgan", "--sead", "3"])
    with pytest.raises(AssertionError, match="evalute"):
        parsed(["evalute"])
