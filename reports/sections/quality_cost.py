"""Section on quality against cost: the headline metric against train seconds, and the Pareto front of the entries' medians."""

from __future__ import annotations

from bench.core.text import pluralise
from bench.metrics.columns import TRAIN_SECONDS
from reports.cohort import Cohort, text
from reports.document import Block, Figure, Section, Text
from reports.format import join_words, number, shorten
from reports.plots import base, quality_cost
from reports.plots.quality_cost import MEDIAN, SEED
from reports.sections.common import by_cohort
from reports.stats import FAILED
from reports.view import View

TITLE = "Quality against cost"
MOST = 24  # entries: more markers cannot be distinguished
FEWEST = 2  # entries with medians


def build(view: View) -> Section | None:
    """Return for each cohort a sentence on the front and a plot, or None if no two entries have values and times."""
    blocks = by_cohort(view, lambda cohort: _blocks(cohort, view))
    return Section(id="cost", title=TITLE, blocks=blocks) if blocks else None


def _blocks(cohort: Cohort, view: View) -> list[Block]:
    metric = cohort.headline
    data = quality_cost.quality_cost_data(cohort.entries, metric)
    if metric.direction == "none" or (data["kind"] == MEDIAN).sum() < FEWEST:
        return []
    if cohort.length.unit == "train_seconds":
        return [Text(text=f"Every run trains for {cohort.budget}, so the ranking of the summary already compares variants at equal cost.")]
    lead = Text(text=_on_the_front(cohort, data[data["front"]].sort_values("seconds")["entry"].tolist()), tone="lead")
    names = [entry.name for entry in cohort.entries[:MOST]]
    plotted = data[data["entry"].isin(names) | data["entry"].isin(set(data[data["front"]]["entry"]))]
    with base.axes(9.2, max(4.4, 1.0 + 0.2 * plotted["entry"].nunique())) as ax:
        quality_cost.draw(ax, plotted, view.palette, metric)
        picture = base.picture(ax, quality_cost.alt(plotted, metric))
    return [lead, Figure(id=f"cost-{cohort.index}", caption=_caption(cohort, len(data[data["kind"] == SEED])), picture=picture)]


def _on_the_front(cohort: Cohort, names: list[str]) -> str:
    """Return the sentence on the front: its entries with their medians, the fastest first."""
    entries = {entry.name: entry for entry in cohort.entries}
    words = [
        f"{name} ({number(entries[name].finished_median(TRAIN_SECONDS))} s, {number(entries[name].summary(cohort.headline.key).median)})"
        for name in names
    ]
    if len(words) == 1:
        return f"{words[0]} has the fewest train seconds and the best median {cohort.headline.title}."
    return f"On the Pareto front of train seconds and {cohort.headline.title}: {join_words(shorten(words, MOST))}."


def _caption(cohort: Cohort, plotted: int) -> str:
    """Return what the markers mean, and which runs they leave out."""
    parts = [
        "A small marker is a finished run. A large marker shows the medians of an entry. The line is the Pareto front. "
        "For each entry on it, no other entry has medians that are as fast and as good, and better in one of the two. "
        "No test selects the front, so entries on it may have no significant difference. "
        "Train seconds are without evaluation. They depend on the machine, and runs that share a machine slow each other down.",
        *_left_out(cohort, plotted),
    ]
    devices = sorted({text(device) for device in cohort.runs["device"] if text(device)})
    if len(devices) > 1:
        parts.append(f"These runs used {join_words(devices)}. Seconds of different devices are not comparable.")
    if len(cohort.entries) > MOST:
        parts.append(f"The plot has the {MOST} entries with the best medians, of {len(cohort.entries)}, and the front.")
    return " ".join(parts)


def _left_out(cohort: Cohort, plotted: int) -> list[str]:
    """Return the runs without a marker: failed ones, and finished ones without a value or a time."""
    statuses = cohort.runs["status"]
    failed, missing = int(statuses.isin(FAILED).sum()), int((statuses == "finished").sum()) - plotted
    parts = []
    if failed:
        words = f"{pluralise(failed, 'run')} failed or diverged, without a marker."
        parts.append(f"{words} Failed runs count as infinitely bad in the medians.")
    if missing:
        parts.append(f"{pluralise(missing, 'finished run')} without a value or a time {'is' if missing == 1 else 'are'} left out.")
    return parts
