"""docs/variants.md agrees with the registry, and its images exist."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest
from docs_scripts import docs_script

from bench.core.config import VARIANTS
from variants.formulas import SYMBOLS

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "variants.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### (\S+)\n(.*?)(?=^### |\Z)", PAGE, re.MULTILINE | re.DOTALL))
AGAIN = "docs/variants.md is outdated; generate it: ganbench suite catalogue && python docs/make_variants.py"


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    return docs_script("make_variants")


def test_every_variant_has_its_section_and_its_row() -> None:
    assert list(SECTIONS) == VARIANTS.names(), AGAIN
    rows = re.findall(r"^\| \[(\S+)\]\(#\S+\) \| (.+?) \|", PAGE, re.MULTILINE)
    assert dict(rows) == {name: variant.idea for name, variant in VARIANTS}, AGAIN


@pytest.mark.parametrize("name", VARIANTS.names())
def test_a_section_agrees_with_the_registry(maker: ModuleType, name: str) -> None:
    facts = maker.facts(VARIANTS.get(name))
    assert "\n".join(facts[1:]) in SECTIONS[name], AGAIN
    assert facts[0] in SECTIONS[name], AGAIN
    assert "**Loss**: " in facts[1]
    assert not facts[1].endswith(": ")


def test_the_page_explains_the_symbols() -> None:
    assert all(f"\n- {meaning}\n" in PAGE for meaning in SYMBOLS.values()), AGAIN


def test_every_image_exists_and_no_other() -> None:
    named = set(re.findall(r"\(images/variants/(\S+)\)", PAGE))
    assert named == {path.name for path in (DOCS / "images" / "variants").iterdir()}


def test_every_measured_variant_trains() -> None:
    """Each measured FID is at most 0.9 times that of an untrained generator."""
    untrained = float(re.findall(r"untrained generator has ([\d.]+)", PAGE)[0])
    scores = {name: float(value) for name, value in re.findall(r"^\| \[(\S+)\]\(#\S+\) \| .+? \| ([\d.]+) \|", PAGE, re.MULTILINE)}
    assert scores
    assert {name: score for name, score in scores.items() if score > 0.9 * untrained} == {}
