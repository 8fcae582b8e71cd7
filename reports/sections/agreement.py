"""Section on the agreement of the feature extractors: ranks of the entries by Fréchet distances on different features."""

from __future__ import annotations

import itertools

import pandas as pd

from bench.metrics.columns import FID_CLASSIFIER, FID_DISTILLED, PIXELS, card
from reports import extractor_ranks
from reports.cohort import Cohort
from reports.document import Block, Figure, Section, Text
from reports.extractor_ranks import contested, ranked
from reports.format import join_words, number
from reports.plots import base, ranks
from reports.sections.common import by_cohort
from reports.stats import rank_agreement
from reports.view import View

TITLE = extractor_ranks.TITLE
FEATURES = {  # what the distance on each kind of features responds to
    FID_DISTILLED: "A distilled network imitates an ImageNet network, and uses no classes.",
    FID_CLASSIFIER: "A classifier's features separate classes, so blurred silhouettes can score well.",
    PIXELS: "Pixels respond to blur and brightness, and not to objects.",
}
DISAGREEMENT = "If they disagree, no number decides alone: look at the samples."


def build(view: View) -> Section | None:
    """Return sentences on each pair of metrics, and the ranks side by side, or None below three entries with two such metrics."""
    blocks = by_cohort(view, lambda cohort: _blocks(cohort, view))
    return Section(id="agreement", title=TITLE, blocks=blocks) if blocks else None


def _blocks(cohort: Cohort, view: View) -> list[Block]:
    data = ranked(cohort)
    if data.empty:
        return []
    marked, entries = contested(data), data["entry"].nunique()
    with base.axes(7.6, 0.7 + 0.3 * entries) as ax:
        ranks.draw(ax, data, view.palette, marked)
        picture = base.picture(ax, ranks.alt(data))
    caption = (
        f"{cohort.setting}. The columns order the entries by each metric, the best on top, with medians over finished runs. Thick lines: ranks that differ by at least "
        f"{max(2.0, entries / 2):g}, half of the number of entries."
    )
    found: list[Block] = [Text(text=sentence, tone="lead" if i == 0 else "body") for i, sentence in enumerate(sentences(data))]
    return [*found, Text(text=_words(data, marked)), Figure(id=f"ranks-{cohort.index}", caption=caption, picture=picture)]


def sentences(data: pd.DataFrame) -> list[str]:
    """Return the agreement of each pair of metrics in sentences."""
    table = data.pivot(index="entry", columns="key", values="rank")
    keys = list(dict.fromkeys(data["key"]))
    found = []
    for a, b in itertools.combinations(keys, 2):
        pairs = list(itertools.combinations(zip(table[a], table[b], strict=True), 2))
        alike = sum((one[0] - two[0]) * (one[1] - two[1]) > 0 for one, two in pairs)
        tau = rank_agreement(list(table[a]), list(table[b]))
        figure = "" if tau is None else f" (Kendall's τ = {number(tau)})"
        found.append(f"{card(a).title} and {card(b).title} order {alike} of {len(pairs)} pairs of entries alike{figure}.")
    return found


def _words(data: pd.DataFrame, marked: list[str]) -> str:
    """Return the entries with very different ranks, and the meaning of such ranks."""
    keys = set(data["key"])
    why = " ".join([*(text for key, text in FEATURES.items() if key in keys), DISAGREEMENT])
    if not marked:
        return f"No entry has very different ranks. {why}"
    parts = []
    for name in marked:
        own = data[data["entry"] == name]
        places = [f"rank {rank:g} by {card(key).title}" for key, rank in zip(own["key"], own["rank"], strict=True)]
        parts.append(f"{name} has {join_words(places)}")
    return f"Very different ranks: {'; '.join(parts)}. {why}"
