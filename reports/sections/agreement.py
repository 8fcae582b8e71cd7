"""Do the extractors agree? The entries ranked by Fréchet distances on different features, and those that the features order very differently."""

from __future__ import annotations

import itertools
import math

import pandas as pd

from bench.metrics.cards import HEADLINE, PIXELS, card
from reports.cohort import Cohort
from reports.document import Block, Figure, Section, Text
from reports.format import join_words, number
from reports.plots import base, ranks
from reports.sections.common import by_cohort
from reports.stats import rank_agreement
from reports.view import View

TITLE = "Do the extractors agree?"
KEYS = (HEADLINE, PIXELS, "quality/fid_inception")
FEWEST = 3  # entries; the order of two says nothing
WHY = (
    "A classifier sees what tells classes apart: blurred silhouettes can fool it. Pixels see blur and brightness and know nothing of objects. "
    "Where the two disagree, neither number settles it: look at the samples."
)


def build(view: View) -> Section | None:
    """A sentence a pair of metrics, the ranks side by side, and the marked entries; None under three entries with two such metrics."""
    blocks = by_cohort(view, lambda cohort: _blocks(cohort, view))
    return Section(id="agreement", title=TITLE, blocks=blocks) if blocks else None


def ranked(cohort: Cohort) -> pd.DataFrame:
    """The ranks (`reports.plots.ranks`) of the entries that have each of the metrics; empty where there are too few of either.

    Medians are over the finished runs: that a run failed is no matter of features.
    """
    medians = {entry.name: {key: entry.finished_median(key) for key in KEYS} for entry in cohort.entries}
    keys = [key for key in KEYS if any(math.isfinite(found[key]) for found in medians.values())]
    while len(keys) > 1:
        whole = {name: found for name, found in medians.items() if all(math.isfinite(found[key]) for key in keys)}
        if len(whole) >= FEWEST:
            return ranks.ranks_data(whole, keys)
        keys.pop()
    return ranks.ranks_data({}, ())


def contested(data: pd.DataFrame) -> list[str]:
    """The entries whose ranks by any two metrics are at least half of the number of entries apart (and at least two)."""
    spread = data.groupby("entry", sort=True)["rank"].agg(lambda found: found.max() - found.min())
    return [str(name) for name, apart in spread.items() if apart >= max(2.0, len(spread) / 2)]


def _blocks(cohort: Cohort, view: View) -> list[Block]:
    data = ranked(cohort)
    if data.empty:
        return []
    marked, entries = contested(data), data["entry"].nunique()
    with base.axes(7.6, 0.7 + 0.3 * entries) as ax:
        ranks.draw(ax, data, view.palette, marked)
        picture = base.picture(ax, ranks.alt(data))
    caption = (
        f"{cohort.setting}. Entries ordered by each metric, the best on top, with medians over finished runs. Thick: ranks at least "
        f"{max(2.0, entries / 2):g} apart, half of the number of entries."
    )
    said: list[Block] = [Text(text=sentence, tone="lead" if i == 0 else "body") for i, sentence in enumerate(sentences(data))]
    return [*said, Text(text=_words(data, marked)), Figure(id=f"ranks-{cohort.index}", caption=caption, picture=picture)]


def sentences(data: pd.DataFrame) -> list[str]:
    """How much each two metrics agree, in words and figures."""
    table = data.pivot(index="entry", columns="key", values="rank")
    keys = list(dict.fromkeys(data["key"]))
    found = []
    for a, b in itertools.combinations(keys, 2):
        pairs = list(itertools.combinations(zip(table[a], table[b], strict=True), 2))
        alike = sum((one[0] - two[0]) * (one[1] - two[1]) > 0 for one, two in pairs)
        tau = rank_agreement(list(table[a]), list(table[b]))
        figure = "" if tau is None else f" (Kendall's τ = {number(tau)})"
        found.append(f"{card(a).title} and {card(b).title} order {alike} of {len(pairs)} pairs alike{figure}.")
    return found


def _words(data: pd.DataFrame, marked: list[str]) -> str:
    """Which entries are ordered very differently, and what that means."""
    if not marked:
        return f"No variant is ordered very differently by them. {WHY}"
    parts = []
    for name in marked:
        own = data[data["entry"] == name]
        places = [f"rank {rank:g} by {card(key).title}" for key, rank in zip(own["key"], own["rank"], strict=True)]
        parts.append(f"{name} has {join_words(places)}")
    return f"Ordered very differently: {'; '.join(parts)}. {WHY}"
