"""Simulate reports and checks, and write the error rates and the power of their verdicts into docs/verdicts.md and docs/tidy-results.md.

    python docs/simulate_verdicts.py            # a few minutes on one core
    python docs/simulate_verdicts.py --reports 200 --print

A simulated report has 8 variants. The log of a value has a standard deviation of 8 % over training seeds, as in the suite `quick`.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats as scipy_stats

from bench.core.atomic_files import write_atomic
from bench.metrics.columns import FID_CLASSIFIER, card
from reports.baseline_check import CheckedVariant, CheckVerdict, answered, compared
from reports.comparisons import Comparison, compare_all, holm
from reports.scores import ScoreScale
from reports.stats import ALPHA, Sample

DOCS = Path(__file__).parent
BEGIN, END = "<!-- docs/simulate_verdicts.py writes from here -->\n", "<!-- to here -->\n"
VARIANTS, SEED_SD, LEVEL = 8, 0.08, 40.0
REFERENCES = ScoreScale(untrained=210.0, real=0.1)
RATES = (0.0, 0.1, 0.2, 0.5)
RATIOS = (1.0, 1.05, 1.1, 1.2)  # ratios of the values of a check to those of its baseline
STEPS = (1.05, 1.1, 1.2)  # ratios of a variant's value to that of the next better one
SURE = 0.01  # adjusted p of a verdict that a failure must not remove
NOISES: dict[str, Callable[[np.random.Generator, tuple[int, int]], np.ndarray]] = {  # noise of mean 0 and standard deviation 1
    "normal": lambda random, shape: random.normal(size=shape),
    "skewed": lambda random, shape: random.gamma(2.0, size=shape) / np.sqrt(2.0) - np.sqrt(2.0),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Runs:
    """Record of the runs of a report: values, and which of them failed [VARIANTS, seeds]."""

    values: np.ndarray
    failed: np.ndarray

    def pairs(self) -> list[Comparison]:
        """Return the comparisons of all pairs. Names are numbers, the best variant first."""
        rows = zip(self.values.tolist(), self.failed.tolist(), strict=True)
        samples = {
            str(i): Sample(values=tuple(v for v, bad in zip(row, lost, strict=True) if not bad), failures=sum(lost))
            for i, (row, lost) in enumerate(rows)
        }
        return compare_all(samples, card(FID_CLASSIFIER), REFERENCES)

    def with_one_failure(self, random: np.random.Generator) -> tuple[str, Runs] | None:
        """Return these runs with a failure in place of a random finished one, and the name of its variant. If all failed, return None."""
        finished = np.argwhere(~self.failed)
        if not len(finished):
            return None
        variant, seed = random.choice(finished)
        failed = self.failed.copy()
        failed[variant, seed] = True
        return str(variant), Runs(values=self.values, failed=failed)


def simulate(reports: int, seeds: int, rate: float, noise: str, step: float = 1.0) -> Iterator[tuple[np.random.Generator, Runs]]:
    """Yield reports with one failure rate for all variants, each `step` times worse than the one before."""
    random = np.random.default_rng([seeds, round(100 * rate), list(NOISES).index(noise), round(100 * step)])
    means = np.log(LEVEL) + np.log(step) * np.arange(VARIANTS)[:, None]
    for _ in range(reports):
        logs = means + SEED_SD * NOISES[noise](random, (VARIANTS, seeds))
        yield random, Runs(values=np.exp(logs), failed=random.random(logs.shape) < rate)


def false_verdicts(reports: int, seeds: int, rate: float, noise: str) -> float:
    """Return the share of reports on equal variants that say "better" at least once."""
    found = [any(pair.better for pair in runs.pairs()) for _, runs in simulate(reports, seeds, rate, noise)]
    return sum(found) / reports


@dataclass(frozen=True, kw_only=True)
class Removal:
    """Record of the effect of a failure in place of one value. `gained`: new verdicts for the variant whose run failed."""

    gained: int
    sure: int  # verdicts against the variant before, with adjusted p below `SURE`
    remained: int  # sure verdicts that remain with the failure


def removal(reports: int, seeds: int, rate: float, noise: str, step: float) -> Removal:
    """Replace one finished run of each report by a failure."""
    gained = sure = remained = 0
    for random, runs in simulate(reports, seeds, rate, noise, step):
        replaced = runs.with_one_failure(random)
        if replaced is None:
            continue
        name, changed = replaced
        for before, after in zip(runs.pairs(), changed.pairs(), strict=True):
            if name in (before.a, before.b):
                gained += after.better == name != before.better
                against = before.better not in (None, name) and before.p_holm is not None and before.p_holm < SURE
                sure += against
                remained += against and after.better == before.better
    return Removal(gained=gained, sure=sure, remained=remained)


def power(reports: int, seeds: int, rate: float, step: float) -> tuple[float, float]:
    """Return the shares of pairs with a correct and with a wrong verdict."""
    pairs = [pair for _, runs in simulate(reports, seeds, rate, "normal", step) for pair in runs.pairs()]
    return sum(pair.better == pair.a for pair in pairs) / len(pairs), sum(pair.better == pair.b for pair in pairs) / len(pairs)


def other_than_welch(reports: int, seeds: int, step: float) -> int:
    """Return how many verdicts differ from scipy's Welch test on logs with Holm's correction, where nothing fails."""
    differing = 0
    for _, runs in simulate(reports, seeds, 0.0, "normal", step):
        logs, pairs = np.log(runs.values), runs.pairs()
        ps = [float(scipy_stats.ttest_ind(logs[int(pair.a)], logs[int(pair.b)], equal_var=False).pvalue) for pair in pairs]
        differing += sum((pair.better is not None) != (p < ALPHA) for pair, p in zip(pairs, holm(ps), strict=True))
    return differing


def check_answers(checks: int, seeds: int, ratio: float) -> Counter[CheckVerdict]:
    """Return the answers of checks of a baseline whose variants are all `ratio` times worse here."""
    random = np.random.default_rng([seeds, round(100 * ratio)])
    found: Counter[CheckVerdict] = Counter()
    for _ in range(checks):
        published, here = (
            np.exp(np.log(LEVEL * factor) + SEED_SD * random.normal(size=(VARIANTS, seeds))).tolist() for factor in (1.0, ratio)
        )
        lines = [
            compared(CheckedVariant(name="", card=card(FID_CLASSIFIER), baseline=Sample(values=tuple(one))), Sample(values=tuple(two)))
            for one, two in zip(published, here, strict=True)
        ]
        found.update(line.verdict for line in answered(lines))
    return found


def check_figures(checks: int) -> str:
    """Return the table of docs/tidy-results.md."""
    counts = (3, 5, 10, 20)
    rows = []
    for ratio in RATIOS:
        found = [check_answers(checks, seeds, ratio) for seeds in counts]
        rows.append(
            [
                f"{ratio:g}",
                *(" / ".join(f"{100 * each[answer] / each.total():.0f} %" for answer in ("agrees", "differs")) for each in found),
            ]
        )
    return _table(("here / baseline", *(f"{seeds} seeds" for seeds in counts)), rows)


def figures(reports: int) -> str:
    """Return the tables of docs/verdicts.md."""
    few = max(1, reports // 10)
    differing = sum(other_than_welch(few, seeds, step) for seeds in (3, 5) for step in STEPS)
    parts = [
        f"Reports on equal variants that call any variant significantly better ({reports:,} each). At most 5 % are allowed:",
        _false_table(reports),
        f"One finished run is replaced by a failure ({reports // 4:,} reports with 3 and with 5 seeds, for each noise):",
        _removal_table(reports // 4),
        f"Pairs with the correct verdict, neighbours 1.2 times apart ({few:,} reports each):",
        _power_table(few),
        f"Without failures, {differing} of {few * 28 * 2 * len(STEPS):,} verdicts differ from those of scipy's Welch test on logs with Holm's correction.",
    ]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def _false_table(reports: int) -> str:
    cells = [(seeds, noise) for seeds in (3, 5) for noise in NOISES]
    rows = [[f"{rate:g}", *(f"{100 * false_verdicts(reports, seeds, rate, noise):.1f} %" for seeds, noise in cells)] for rate in RATES]
    return _table(("failure rate", *(f"{seeds} seeds, {noise}" for seeds, noise in cells)), rows)


def _removal_table(reports: int) -> str:
    rows = []
    for rate, step in ((rate, step) for rate in RATES[:2] for step in STEPS):
        found = {(seeds, noise): removal(reports, seeds, rate, noise, step) for seeds in (3, 5) for noise in NOISES}
        remained = [_share(found[5, noise]) for noise in NOISES]
        rows.append([f"{rate:g}", f"{step:g}", str(sum(each.gained for each in found.values())), *remained])
    heads = (
        "other failures",
        "ratio of neighbours",
        "verdicts gained",
        *(f"sure verdicts that remain, 5 seeds, {noise}" for noise in NOISES),
    )
    return _table(heads, rows)


def _power_table(reports: int) -> str:
    counts = (3, 5, 10, 20)
    rows = [[f"{rate:g}", *(f"{100 * power(reports, seeds, rate, 1.2)[0]:.0f} %" for seeds in counts)] for rate in RATES]
    return _table(("failure rate", *(f"{seeds} seeds" for seeds in counts)), rows)


def _share(found: Removal) -> str:
    return f"{100 * found.remained / found.sure:.1f} % of {found.sure:,}" if found.sure else "–"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


PAGES = {"tidy-results.md": lambda reports: check_figures(max(1, reports // 4)), "verdicts.md": figures}


def main() -> None:
    """Simulate, and write or print the tables of each page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reports", type=int, default=2_000, help="simulated reports in each cell")
    parser.add_argument("--print", action="store_true", help="print the tables, write nothing")
    given = parser.parse_args()
    for name, write in PAGES.items():
        found = write(given.reports)
        if given.print:
            print(found)
            continue
        before, _, rest = (DOCS / name).read_text(encoding="utf-8").partition(BEGIN)
        write_atomic(DOCS / name, f"{before}{BEGIN}\n{found}\n{END}{rest.partition(END)[2]}".encode())


if __name__ == "__main__":
    main()
