"""The commands of docs/gan-tutorial.md that train nothing print what the page shows, and its pictures are small.

`test_commands.py` tests that the command line accepts all commands.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "gan-tutorial.md").read_text(encoding="utf-8")
MOST_BYTES = 60_000
CHEAP = ("show", "list")
PAIRS = re.findall(r"^```sh\n([^\n]*)\n```\n\n```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
OUTPUTS = [pytest.param(line, output, id=line) for line, output in PAIRS if shlex.split(line, comments=True)[1] in CHEAP]


def lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines() if line.strip() and line != "..."]


def test_the_page_has_commands_with_output() -> None:
    assert len(OUTPUTS) >= 8


@pytest.mark.parametrize(("line", "output"), OUTPUTS)
def test_a_command_prints_what_the_page_shows(line: str, output: str, ganbench: Callable[..., tuple[int, str, str]]) -> None:
    status, printed, errors = ganbench(*shlex.split(line, comments=True)[1:])
    assert (status, errors) == (0, "")
    rest = iter(lines(printed))
    assert [wanted for wanted in lines(output) if wanted not in rest] == [], "these lines are missing, or in another order"


def test_the_pictures_exist_and_are_small() -> None:
    named = set(re.findall(r"\(images/tutorial/(\S+)\)", PAGE))
    files = {path.name: path.stat().st_size for path in (DOCS / "images" / "tutorial").iterdir()}
    assert named == set(files)
    assert max(files.values()) < MOST_BYTES


def test_every_notion_has_a_section() -> None:
    sections = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in re.findall(r"^## (.+)$", PAGE, re.MULTILINE)}
    linked = re.findall(r"\]\(#([\w-]+)\)", PAGE)
    assert len(linked) >= 12
    assert [anchor for anchor in linked if anchor not in sections] == []


def test_the_settings_of_the_training_commands_are_small() -> None:
    training = [line for line in PAGE.splitlines() if line.startswith("ganbench suite")]
    assert len(training) == 2
    assert all("--seeds 1" in line and "--workers 1" in line for line in training)
