"""Links between pages, and the limits of the README.

These checks are fast. tests/docs/test_site.py builds the whole site.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from documented import ROOT, without_code

DOCS = ROOT / "docs"
PAGES = [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")), *sorted(DOCS.rglob("*.md"))]
LINES, CHARACTERS = 120, 160  # limits of the README
ORDER = ["Run it", "What you get", "What you can change", "Why the numbers can be trusted", "More"]


def links(page: Path) -> list[str]:
    """Return the targets of the links and pictures of a page that are in this repository."""
    targets = re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text(encoding="utf-8")))
    return [target for target in targets if not re.match(r"[a-z]+:", target)]


@cache
def anchors(page: Path) -> frozenset[str]:
    """Return the anchors of a page's headings, as a code host makes them, and those of API entries."""
    text = page.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    plain = (re.sub(r"[^\w\s-]", "", heading.lower()).replace(" ", "-") for heading in headings)
    return frozenset([*plain, *re.findall(r"^::: ([\w.]+)$", text, re.MULTILINE)])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_existing_files_and_headings(page: Path) -> None:
    for link in links(page):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{link}: there is no {target}"
        assert not anchor or target.suffix != ".md" or anchor in anchors(target), f"{link}: {target.name} has no heading {anchor!r}"
        assert not page.is_relative_to(DOCS) or target.is_relative_to(DOCS), (
            f"{link} leaves docs/, so it is dead in the site: name the file"
        )


def test_the_readme_is_short_and_in_order() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= LINES
    assert [line for line in lines if len(line) > CHARACTERS] == []
    assert [line.removeprefix("## ") for line in lines if line.startswith("## ")] == ORDER
    assert lines.index("![The report of the quick suite](docs/images/report.png)") < lines.index("## Run it")


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_a_page_starts_with_its_use_and_an_example(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    title, use, *_ = [part for part in text.split("\n\n") if part.strip()]
    assert re.fullmatch(r"# .+", title)
    assert re.match(r"(?:After this page|With these pages) you (?:can|know|have)\b", use), "say what the reader can do after the page"
    assert any(line.startswith("```") for line in text.splitlines()[:12]), "an example comes first"
