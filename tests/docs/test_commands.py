"""The commands in the documentation exist, with their verbs, options and settings. Those that cost little run."""

from __future__ import annotations

import re
import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer
from documented import PAGES, ROOT, code, commands, execute

from bench.cli import app
from bench.cli.common import parse_settings
from bench.core.config import config_for
from bench.core.registry import Registry
from bench.scheduling.suite import SUITES, plan
from studies.study import STUDIES

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
VARIABLES = set(re.findall(r"\$\(([A-Z_]+)\)", MAKEFILE))
REGISTERED: dict[str, Registry[Any]] = {"SUITE": SUITES, "STUDY": STUDIES}  # variables of make whose values are names


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
    targets = [word for word in words if "=" not in word and re.fullmatch(r"[a-z-]+", word)]
    assert set(targets[:1]) <= TARGETS
    for name, _, value in (word.partition("=") for word in words if re.match(r"[A-Z_]+=", word)):
        assert name in VARIABLES
        if name in REGISTERED:
            REGISTERED[name].get(value)


def cheap() -> list[Any]:
    """Return the calls of `ganbench`, each once, that neither train nor measure and need no recorded runs."""
    calls = {shlex.join(words): words for page in PAGES for words in commands(page.read_text(encoding="utf-8"), "ganbench")}
    return [pytest.param(words, id=call) for call, words in sorted(calls.items()) if costs_little(words)]


def costs_little(words: list[str]) -> bool:
    """Return whether a call lists, shows, plans one run or a study, or prints help. A suite's plan includes a speed test of minutes."""
    if not all(is_name(word) for word in words[1:2] if not word.startswith("-")) or any(":" in word for word in words):
        return False  # a placeholder, or code and images of the user
    return words[0] in ("list", "show") or "--help" in words or (words[0] in ("run", "study") and "--dry-run" in words)


@pytest.mark.parametrize("words", cheap())
def test_a_cheap_command_of_the_documentation_runs(words: list[str], tmp_path: Path, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    offline = ["--dataset", "digits"] if words[0] == "run" and "--dataset" not in words else []
    assert execute(["ganbench", *words, *offline], monkeypatch) == 0


SCRIPTS = sorted(
    {
        (script, option)
        for page in PAGES
        for line in code(page.read_text(encoding="utf-8"))
        for script, options in re.findall(r"(?:^|\s)(docs/[\w/]+\.(?:py|sh))([^|;&#]*)", line)
        for option in [*re.findall(r"\s(--[a-z-]+)", options), ""]
    }
)


@pytest.mark.parametrize(("script", "option"), SCRIPTS)
def test_a_script_of_the_documentation_has_the_option(script: str, option: str) -> None:
    assert re.search(rf"(?<![\w-]){option}(?![\w-])", (ROOT / script).read_text(encoding="utf-8"))


@pytest.mark.parametrize("module", sorted({name for page in PAGES for name in re.findall(r"python -m ([\w.]+)", page.read_text())}))
def test_a_module_of_the_documentation_can_be_run(module: str) -> None:
    assert find_spec(module)


def test_commands_of_the_documentation_are_found() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    found = commands(readme, "ganbench")
    assert ["run", "dcgan", "--set", "recipe.lr_g=1e-4", "--set", "budget.images=300000"] in found
    assert ["list"] in commands((ROOT / "docs" / "commands.md").read_text(encoding="utf-8"), "ganbench")
    assert ["bench"] in commands(readme, "make")
    with pytest.raises(typer.BadParameter.__mro__[1], match="--sead"):
        parsed(["run", "dcgan", "--sead", "3"])
    with pytest.raises(AssertionError, match="evalute"):
        parsed(["evalute"])
