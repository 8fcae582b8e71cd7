"""docs/metrics.md agrees with the cards and the code. tests/bench/metrics/test_planted.py measures its numbers again."""

from __future__ import annotations

import math
import re
from pathlib import Path

import planted_translation
import pytest
from planted import FAILURES
from planted_tables import COLUMNS, FAILURES_HEADING, PHOTO_COLUMNS, PHOTO_HEADING, PHOTO_ROWS, SCALE_HEADING, label, read_table, titled
from planted_translation import PERFECT

from bench.metrics import diversity, fidelity, half_samples, modes, ndb, neighbours
from bench.metrics.columns import BUILT_IN, HEADLINES, card, measured
from bench.metrics.columns.definition import TRANSLATION_NEEDS
from bench.metrics.spectrum import ROUNDING

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "metrics.md").read_text(encoding="utf-8")
KEYS = [key for key in measured() if key in BUILT_IN]
ROW = re.compile(r"^\| (.+) \| `([a-z0-9_]+/[a-z0-9_]+)` \| (.*) \| (.+) \| (.*) \| (.+) \|$", re.MULTILINE)


def test_every_measured_metric_has_its_row_in_the_order_of_the_cards_and_no_other() -> None:
    assert [row[1] for row in ROW.findall(PAGE)] == KEYS


@pytest.mark.parametrize("key", KEYS)
def test_a_row_agrees_with_its_card(key: str) -> None:
    (title, _, unit, meaning, needs, source) = next(row for row in ROW.findall(PAGE) if row[1] == key)
    found = card(key)
    assert title.strip("*") == f"{found.title} {found.arrow}".strip()
    assert title.startswith("**") == (key in HEADLINES)
    assert (unit, needs, source) == (found.unit, ", ".join(found.needs), found.citation)
    assert meaning


def test_what_metrics_need_is_explained() -> None:
    (explained,) = re.findall(r"\*Needs\* lists the conditions.*?\n\n(?!-)", PAGE, re.DOTALL)
    for word in {word for key in KEYS for word in card(key).needs}:
        assert f"`{word}`" in explained


def test_measured_tables_are_complete() -> None:
    scale = read_table(PAGE, SCALE_HEADING)
    other_data = {"modes", "mixture", "inception", "photo", "asked", *TRANSLATION_NEEDS}
    given = {titled(key) for key in KEYS if not other_data & set(card(key).needs)}
    assert set(scale) == given
    failures = read_table(PAGE, FAILURES_HEADING)
    assert list(failures["real"]) == [titled(key) for key in COLUMNS]
    for failure in FAILURES:
        assert {label(failure, severity) for severity in failure.severities[1:]} <= set(failures)
    photo, named = read_table(PAGE, PHOTO_HEADING), {failure.name: failure for failure in FAILURES}
    assert list(photo) == ["real", *(label(named[name], severity) for name, severity in PHOTO_ROWS)]
    assert list(photo["real"]) == [titled(key) for key in PHOTO_COLUMNS]
    translation = read_table(PAGE, planted_translation.HEADING)
    named_rows = [(failure, severity) for failure in (PERFECT, *planted_translation.FAILURES) for severity in failure.severities]
    assert list(translation) == [planted_translation.label(*row) for row in named_rows]
    assert list(translation["truth"]) == [titled(key) for key in planted_translation.COLUMNS]
    tables = (scale, failures, photo, translation)
    assert all(cell for table in tables for row in table.values() for cell in row.values())


def test_thresholds_are_those_of_the_code() -> None:
    text = " ".join(PAGE.split())
    assert f"fewer than **{modes.JUDGED_SHARE:.0%}**".replace("%", " %") in text
    assert f"have **{modes.COLLAPSED_SHARE}** of their real share" in text
    assert (modes.COLLAPSED_CLASSES, modes.COLLAPSED_DUPLICATES) == (0.5, 0.5), "docs/metrics.md says half for both; update the page"
    assert f"{half_samples.HALF_SAMPLES} half-samples" in text
    assert f"k = {neighbours.K}: do they look real?" in text
    assert f"in their neighbourhood, k = {neighbours.K_BALL}" in text
    assert f"{ndb.MOST_BINS} k-means cells" in text
    assert f"at {fidelity.INFINITY_SIZES} sample sizes" in text
    assert "equal images have 58.9 dB" in text
    assert f"{10 * math.log10(255**2 / ROUNDING):.1f}" == "58.9"
    assert f"{100 * (1 - diversity.DUPLICATE_QUANTILE):.1f} % of real images" in text


def test_links_have_targets() -> None:
    headings = {re.sub(r"[^a-z0-9 -]", "", line.lower()).replace(" ", "-") for line in re.findall(r"^#+ (.+)$", PAGE, re.MULTILINE)}
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        assert target.lstrip("#") in headings if target.startswith("#") else (DOCS / target).exists(), target
