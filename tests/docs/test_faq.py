"""Each error message that docs/faq.md quotes is in the code, and its links to sections exist."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "faq.md").read_text(encoding="utf-8")
QUOTES = [text.strip().removeprefix("ganbench: ") for text in re.findall(r"^```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)]
LEAST, SHARE = 20, 1 / 3  # a message has so many fixed characters, or its fixed characters are this share of the quote
FEWEST = 8  # fixed characters of any message
ANY = ".+"  # also matches "...", which stands for a part of a message that the page omits
PLACEHOLDER = re.compile(r"%(?:\.\d+)?[sdfr]")  # in messages of logging


def parts(node: ast.expr) -> list[str]:
    """Return the fixed parts of a string. Between two parts, the message has a value."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return PLACEHOLDER.split(node.value)
    if isinstance(node, ast.JoinedStr):
        found = [""]
        for value in node.values:
            found = [*found[:-1], found[-1] + str(value.value)] if isinstance(value, ast.Constant) else [*found, ""]
        return found
    return []


def patterns() -> Iterator[tuple[int, re.Pattern[str]]]:
    """Yield (number of fixed characters, pattern) for each string in the code that may be a message."""
    for package in ("bench", "studies", "reports", "variants"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                found = parts(node) if isinstance(node, ast.expr) else []
                if (fixed := len("".join(found))) >= FEWEST:
                    yield fixed, re.compile(ANY.join(map(re.escape, found)), re.DOTALL)


MESSAGES = list(patterns())


def is_printed(quote: str) -> bool:
    """Return whether a quote contains a message of the code. `nearest` appends the suggestions to a message."""
    quote = quote.partition("; did you mean")[0]
    return any(fixed >= min(LEAST, SHARE * len(quote)) and pattern.search(quote) for fixed, pattern in MESSAGES)


@pytest.mark.parametrize("quote", [pytest.param(quote, id=quote[:50]) for quote in QUOTES])
def test_a_quoted_message_is_in_the_code(quote: str) -> None:
    assert is_printed(quote)


def test_a_message_that_is_not_in_the_code_is_found() -> None:
    assert len(QUOTES) >= 20
    assert is_printed("port 80 is in use by another program: choose another, e.g. --port 81")
    assert not is_printed("port 80 is used by another program, so choose another one")


def test_links_to_sections_of_the_page() -> None:
    other = (ROOT / "docs" / "gan-tutorial.md").read_text(encoding="utf-8")
    sections = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in re.findall(r"^#+ (.+)$", PAGE, re.MULTILINE)}
    assert set(re.findall(r"\(faq\.md#([\w-]+)\)", other)) <= sections
