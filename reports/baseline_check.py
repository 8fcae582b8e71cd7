"""Comparison of a store with published results: each variant of the baseline against the recorded runs, by the tests of `reports.comparisons`.

A variant differs if the test of a report finds a difference. It agrees if a test of equivalence shows that the difference is below the
margin of the metric's card. Both have Holm's correction over the variants that can be tested. Otherwise the check cannot tell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from bench.core.errors import UserError
from bench.core.text import pluralise
from bench.metrics.columns import Card, Direction
from bench.tracking.results import Results
from reports import stats
from reports.cohort import Cohort, CohortEntry, settings_of, text, version
from reports.comparisons import UNKNOWN, Comparison, compare, equivalence, failed_words, holm, with_verdicts
from reports.format import NOTHING, interval, join_words, number, p_value
from reports.scores import ScoreScale
from reports.sections.summary import PlainTable
from reports.stats import ALPHA, MIN_SEEDS, Interval, Sample
from reports.view import view

CheckVerdict = Literal["agrees", "differs", "cannot tell", "not comparable", "not run", "too few seeds"]
NO_MARGIN = "the metric has no margin for these values"
DECIDED: tuple[CheckVerdict, ...] = ("agrees", "differs", "cannot tell")
HEADERS = (
    "variant", "baseline median [n]", "here median [n]", "here / baseline [95\N{NO-BREAK SPACE}%]", "p differs (Holm)", "p agrees (Holm)", "verdict",
)  # fmt: skip
IDENTITY = ("param:networks", "param:recipe.")  # settings that change the training. The machine may differ


@dataclass(frozen=True, kw_only=True, eq=False)
class PlacedEntry:
    """Record of an entry with its cohort."""

    entry: CohortEntry
    cohort: Cohort

    @property
    def name(self) -> str:
        """The entry's name, with its cohort's title if there are several cohorts."""
        return f"{self.entry.name} ({self.cohort.title})" if self.cohort.title else self.entry.name

    @property
    def settings(self) -> dict[str, str]:
        """Networks and recipe, by path."""
        first = self.entry.runs.iloc[0]
        return {str(path): text(first[path]) for path in first.index if str(path).startswith(IDENTITY) and text(first[path])}

    @property
    def overridden(self) -> set[str]:
        """The paths of the settings that differ from the registered variant."""
        return {f"param:{path}" for overrides in self.entry.runs["overrides"] for path in settings_of(overrides)}

    @property
    def version(self) -> str:
        """The version of the variant."""
        return version(self.entry.runs.iloc[0]["variant_version"])

    @property
    def source(self) -> str:
        """Hash of the source code of a variant that is not registered."""
        return text(self.entry.runs.iloc[0]["variant_source"])


@dataclass(frozen=True, kw_only=True)
class CheckedVariant:
    """Record of one variant of the baseline and its result. `ratio` is the geometric mean here over that of the baseline."""

    name: str
    card: Card  # of the metric that ranks it
    baseline: Sample
    here: Sample | None = None
    pair: Comparison | None = None
    p_same: float | None = None  # p of the equivalence test, after Holm's correction. None without this test
    verdict: CheckVerdict = "not run"
    why: str = ""

    @property
    def metric(self) -> str:
        """The title of the metric."""
        return self.card.title

    @property
    def direction(self) -> Direction:
        """Which end of the metric is better."""
        return self.card.direction

    @property
    def ratio(self) -> tuple[float, Interval] | None:
        """The value here over the baseline's value, with its interval, or None unless it was tested on logs."""
        if self.pair is None or self.pair.ratio is None or self.pair.interval is None:
            return None
        if self.direction == "lower":
            return self.pair.ratio, self.pair.interval
        return 1 / self.pair.ratio, Interval(low=1 / self.pair.interval.high, high=1 / self.pair.interval.low)


def check_baseline(baseline: Results, here: Results) -> list[CheckedVariant]:
    """Compare each entry of the baseline, in its order. Raise a UserError if no entry can be tested."""
    others = _places(here)
    lines = [_line(place, others) for place in _places(baseline)]
    found = answered([line if other is None else compared(line, *other) for line, other in lines])
    if not any(line.verdict in DECIDED for line in found):
        reasons = Counter(_words(line) for line in found)
        counts = "; ".join(f"{name} ({n})" for name, n in reasons.most_common(4))
        raise UserError(f"no variant of the baseline {baseline.uri!r} can be compared with the runs at {here.uri}: {counts}")
    return found


def check_table(lines: Sequence[CheckedVariant], title: str) -> PlainTable:
    """Return the result as a table for a terminal. Its title names the metrics."""
    metrics = join_words(list(dict.fromkeys(line.metric for line in lines)))
    return PlainTable(title=f"{title}, by {metrics}", headers=HEADERS, rows=tuple(_row(line) for line in lines))


def check_summary(lines: Sequence[CheckedVariant]) -> str:
    """Return the result in one sentence."""
    counts = Counter(line.verdict for line in lines)
    parts = [f"{counts['agrees']} of {pluralise(len(lines), 'variant')} of the baseline {'agrees' if counts['agrees'] == 1 else 'agree'}"]
    different = [line.name for line in lines if line.verdict == "differs"]
    if different:
        parts.append(f"{', '.join(different)} {'differs' if len(different) == 1 else 'differ'}")
    parts += [
        f"{counts[verdict]} {verdict}" for verdict in ("cannot tell", "not comparable", "too few seeds", "not run") if counts[verdict]
    ]
    return "; ".join(parts) + "."


def any_differs(lines: Sequence[CheckedVariant]) -> bool:
    """Return whether any variant differs from the baseline."""
    return any(line.verdict == "differs" for line in lines)


def _places(results: Results) -> list[PlacedEntry]:
    return [PlacedEntry(entry=entry, cohort=cohort) for cohort in view(results).cohorts for entry in cohort.entries]


def _line(place: PlacedEntry, others: Sequence[PlacedEntry]) -> tuple[CheckedVariant, tuple[Sample, ScoreScale] | None]:
    """Find the entry of the same variant here that has the fewest differences. Return its sample and the reference rows if it can be compared."""
    headline = place.cohort.headline
    line = CheckedVariant(name=place.name, card=headline, baseline=place.entry.sample(headline.key))
    variant = place.entry.runs.iloc[0]["variant"]
    same = [(other, _differing(place, other)) for other in others if other.entry.runs.iloc[0]["variant"] == variant]
    if not same:
        return line, None
    other, differing = min(same, key=lambda found: len(found[1]))
    if differing:
        line = replace(line, here=other.entry.sample(headline.key))
        return replace(line, verdict="not comparable", why=", ".join(differing)), None
    references = (side.cohort.reference_values(headline.key) for side in (place, other))
    return line, (other.entry.sample(headline.key), next((found for found in references if found.usable), UNKNOWN))


def compared(line: CheckedVariant, here: Sample, references: ScoreScale = UNKNOWN) -> CheckedVariant:
    """Test the pair, or record why it cannot be tested. `answered` adds the verdict."""
    line = replace(line, here=here)
    if here.unmeasured or line.baseline.unmeasured:
        return replace(line, verdict="not comparable", why="a finished run was not measured")
    if here.n >= MIN_SEEDS and not here.values and not line.baseline.failures:
        return replace(line, verdict="differs", why="every run here failed")
    few = [name for name, data in (("baseline", line.baseline), ("here", here)) if len(data.values) < MIN_SEEDS]
    if few:
        return replace(line, verdict="too few seeds", why=f"under {MIN_SEEDS} finished: {' and '.join(few)}")
    if (sorted(line.baseline.values), line.baseline.failures) == (sorted(here.values), here.failures):
        return replace(line, verdict="agrees", why="identical")
    pair = compare("baseline", "here", line.baseline, here, line.card, references)
    if pair.p is None:
        return replace(line, verdict="not comparable", why=pair.reason)
    failed = "; ".join(failed_words(name, data) for name, data in (("baseline", line.baseline), ("here", here)) if data.failures)
    p_same = None if failed else equivalence(line.baseline, here, line.card)
    return replace(line, pair=pair, p_same=p_same, why=failed or ("" if p_same is not None else NO_MARGIN))


def answered(lines: Sequence[CheckedVariant]) -> list[CheckedVariant]:
    """Return the lines with their verdicts. Both tests have Holm's correction over the variants that have them."""
    pairs = iter(with_verdicts([line.pair for line in lines if line.pair is not None]))
    same = iter(holm([line.p_same for line in lines if line.p_same is not None]))
    corrected = (
        replace(line, pair=next(pairs) if line.pair else None, p_same=None if line.p_same is None else next(same)) for line in lines
    )
    return [line if line.pair is None else _with_verdict(line) for line in corrected]


def _with_verdict(line: CheckedVariant) -> CheckedVariant:
    """Return the line with its verdict. A variant that differs needs no margin."""
    verdict = _verdict(line)
    return replace(line, verdict=verdict, why="" if verdict == "differs" and line.why == NO_MARGIN else line.why)


def _verdict(line: CheckedVariant) -> CheckVerdict:
    """Return the verdict. A variant within the margin agrees, even if a small difference is significant."""
    if line.p_same is not None and line.p_same < ALPHA:
        return "agrees"
    return "differs" if line.pair is not None and line.pair.better is not None else "cannot tell"


def _differing(one: PlacedEntry, two: PlacedEntry) -> list[str]:
    """Return the names of the differences that keep two entries of a variant from being compared."""
    a, b, headline = one.cohort, two.cohort, one.cohort.headline
    known = a.recorded and b.recorded
    facts = {
        "dataset": (a.dataset, b.dataset),
        "budget": (a.budget, b.budget),
        f"evaluation protocol of {headline.title}": (a.protocols.get(headline.key, ""), b.protocols.get(headline.key, ""))
        if known
        else ("", "unknown"),
        "random streams that follow the seed": (a.vary, b.vary),
        "results version": (a.results_version, b.results_version),
        "variant version": (one.version, two.version),
        "variant source": (one.source, two.source),
    }
    return [*(name for name, (x, y) in facts.items() if x != y), *(path.removeprefix("param:") for path in _other_settings(one, two))]


def _other_settings(one: PlacedEntry, two: PlacedEntry) -> list[str]:
    """Return the settings with different values.

    A setting that one side lacks is a default of another version. It is a difference only if that side's run changed it."""
    mine, other = one.settings, two.settings
    differing = [path for path in mine.keys() & other.keys() if mine[path] != other[path]]
    return sorted([*differing, *((mine.keys() - other.keys()) & one.overridden), *((other.keys() - mine.keys()) & two.overridden)])


def _row(line: CheckedVariant) -> tuple[str, ...]:
    ratio = line.ratio
    return (
        line.name,
        _median(line.baseline, line.direction),
        NOTHING if line.here is None else _median(line.here, line.direction),
        NOTHING if ratio is None else f"{number(ratio[0])} {interval(ratio[1])}",
        p_value(None if line.pair is None else line.pair.p_holm),
        p_value(line.p_same),
        _words(line),
    )


def _words(line: CheckedVariant) -> str:
    return f"{line.verdict}: {line.why}" if line.why else line.verdict


def _median(data: Sample, direction: Direction) -> str:
    return f"{number(stats.summarise(data, direction).median)} [{data.n}]"
