"""Section on several data sets: each entry's scores between untrained and real, their interquartile mean, and ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy.stats import rankdata

from reports.cohort import Cohort
from reports.document import Block, Cell, Column, Figure, Heading, Row, Section, Table, Text
from reports.format import NOTHING, interval, join_words, number, percent
from reports.plots import base, profiles
from reports.scores import Aggregate, ScoreScale, aggregate, improvability, scores, win_rate
from reports.sections.common import name_cell
from reports.view import View

TITLE = "Over all data"
FEWEST = 2  # data sets, and entries on all of them


@dataclass(frozen=True, kw_only=True, eq=False)
class DatasetGroup:
    """Record of entries trained on the same data sets, with one budget and on one track."""

    cohorts: tuple[Cohort, ...]  # one for each data set
    scores: Mapping[str, Mapping[str, tuple[float, ...]]]  # by entry, by data set

    @property
    def aggregates(self) -> dict[str, Aggregate]:
        """The aggregate of every entry, the highest interquartile mean first."""
        found = {name: aggregate(by_data) for name, by_data in self.scores.items()}
        return dict(sorted(found.items(), key=lambda pair: (-pair[1].iqm, pair[0])))

    def ranks(self) -> dict[str, float]:
        """Return the mean rank of every entry over the data sets, by mean score. Rank 1 is best."""
        names = list(self.scores)
        by_data = [
            rankdata([-sum(self.scores[name][cohort.dataset]) / len(self.scores[name][cohort.dataset]) for name in names])
            for cohort in self.cohorts
        ]
        return {name: float(sum(ranks[i] for ranks in by_data) / len(by_data)) for i, name in enumerate(names)}


def build(view: View) -> Section | None:
    """Return a table and a profile for every group of entries on at least two data sets, or None without such a group."""
    found = dataset_groups(view)
    blocks = [block for field in found for block in _blocks(field, view, titled=len(found) > 1)]
    return Section(id="across", title=TITLE, blocks=tuple(blocks)) if blocks else None


def dataset_groups(view: View) -> list[DatasetGroup]:
    """Return groups of cohorts that differ in the data alone, with their common entries."""
    alike: dict[tuple[str, ...], list[Cohort]] = {}
    for cohort in view.cohorts:
        alike.setdefault((cohort.length.words, cohort.track, cohort.results_version, cohort.vary), []).append(cohort)
    found = []
    for cohorts in alike.values():
        scales = {cohort.index: cohort.reference_values(cohort.headline.key) for cohort in cohorts}
        usable = [cohort for cohort in cohorts if scales[cohort.index].usable and cohort.headline.direction != "none"]
        if len({cohort.dataset for cohort in usable}) < max(FEWEST, len(usable)):
            continue  # too few data sets, or one data set with two evaluation protocols
        by_entry = {name: _scores(name, usable, scales) for name in _shared(usable)}
        whole = {name: by_data for name, by_data in by_entry.items() if all(by_data.values())}
        if len(whole) >= FEWEST:
            found.append(DatasetGroup(cohorts=tuple(usable), scores=whole))
    return found


def _shared(cohorts: Sequence[Cohort]) -> list[str]:
    names = [{entry.name for entry in cohort.entries} for cohort in cohorts]
    return sorted(set.intersection(*names))


def _scores(name: str, cohorts: Sequence[Cohort], scales: Mapping[int, ScoreScale]) -> dict[str, tuple[float, ...]]:
    entries = {cohort.dataset: next(entry for entry in cohort.entries if entry.name == name) for cohort in cohorts}
    return {
        cohort.dataset: scores(entries[cohort.dataset].sample(cohort.headline.key), scales[cohort.index]) for cohort in cohorts
    }  # fmt: skip


def _blocks(field: DatasetGroup, view: View, *, titled: bool) -> list[Block]:
    aggregates, ranks, losses = field.aggregates, field.ranks(), improvability(field.scores)
    best = next(iter(aggregates))
    first = field.cohorts[0]
    lead = f"Highest interquartile mean over {join_words([cohort.dataset for cohort in field.cohorts])}: {best}, {number(aggregates[best].iqm)}."
    rows = [
        Row(
            cells=(
                name_cell(name, view.palette),
                Cell(text=number(found.iqm), tone="strong", detail=interval(found.interval)),
                Cell(text=number(ranks[name])),
                *(Cell(text=number(sum(own) / len(own))) for own in (field.scores[name][cohort.dataset] for cohort in field.cohorts)),
                Cell(text=number(found.worst)),
                Cell(text=number(losses[name][0]), detail=losses[name][1] if losses[name][0] > 0 else ""),
            )
        )
        for name, found in aggregates.items()
    ]
    titles = ("variant", "score, IQM", "mean rank", *(cohort.dataset for cohort in field.cohorts), "worst data", "improvability")
    table = Table(
        columns=tuple(Column(title=title, align="left" if i == 0 else "right") for i, title in enumerate(titles)),
        rows=tuple(rows),
        caption=f"{first.budget} each, {first.held_equal}. Scores of the headline metric of each data set: "
        + "; ".join(f"{cohort.headline.title} on {cohort.dataset}" for cohort in field.cohorts)
        + ".",
        notes=(
            "score: 0 for an untrained generator, 1 for real data. The scale is logarithmic if both values are positive, else linear. Scores are limited to -1 and 2. A failed run scores 0. "
            "IQM: the mean of the middle half of all runs' scores (Agarwal et al. 2021, arXiv 2108.13264). Its interval is a bootstrap over runs within each data set. "
            "With few seeds it covers less than its nominal 95 %. There is no test over data sets. "
            "improvability: how much lower its mean score is than the best entry's, on the data where this is most. It is 0 for an entry that is best everywhere.",
        ),
    )
    data = profiles.profiles_data({name: field.scores[name] for name in aggregates})
    with base.axes(8.4, 3.6) as ax:
        profiles.draw(ax, data, view.palette)
        picture = base.picture(ax, profiles.alt(data))
    figure = Figure(
        id=f"profiles-{first.index}",
        caption="The lines give the share of runs with a score above each level. Every data set has the same weight.",
        picture=picture,
    )
    heading = [Heading(text=f"{first.budget}, {first.held_equal}")] if titled else []
    return [*heading, Text(text=lead, tone="lead"), table, figure, _wins(field, list(aggregates), view)]


def _wins(field: DatasetGroup, names: Sequence[str], view: View) -> Table:
    """Return the win rate of each row's entry against each column's."""
    rows = [
        Row(
            cells=(
                name_cell(name, view.palette),
                *(Cell(text=NOTHING if name == other else percent(win_rate(field.scores[name], field.scores[other]))) for other in names),
            )
        )
        for name in names
    ]
    return Table(
        columns=(Column(title="", align="left"), *(Column(title=name, colour=view.palette[name].colour) for name in names)),
        rows=tuple(rows),
        folded="Win rates of every pair",
        fixed=True,
        notes=(
            "Share of the pairs of runs in which the row's entry has the higher score. A tie counts as a half. Every data set has the same weight.",
        ),
    )
