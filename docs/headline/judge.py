"""Judge the candidates by distances.csv, and write the tables of README.md: python docs/headline/judge.py."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

HERE = Path(__file__).parent
TABLE, PAGE = HERE / "distances.csv", HERE / "README.md"
TEACHER, REPEATED = "photo", "photo, other samples"  # as in candidates.py, which needs torch
PLAIN = "plain classifier"  # the candidate that a better one must beat
CHOOSE = ("cgan", "dcgan", "ddpm", "label-smoothed", "lucic-gan", "mlp-dropout", "ns-gan", "vae", "wgan", "wgan-gp")
BUDGET = 100_000  # real training images, in the first two groups
RATIO = 1.5  # a pair whose distances differ by more is separated
RATIOS = (1.0, 1.1, 1.2, 1.5, 2.0)
LEAST_TAU, RESAMPLES, LOWER = 0.9, 2_000, 0.05  # the lower end of a 90 % interval
MOST_SECONDS = 1.5  # for 10,000 images on one core


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Record of the agreement of a candidate's order of generators with the teacher's."""

    tau: float  # Kendall's
    lower: float  # end of its 90 % bootstrap interval over generators
    reversed: int  # pairs that the teacher separates by RATIO, and the candidate by RATIO the other way
    generators: int


def agreement(teacher: pd.Series, candidate: pd.Series) -> Agreement:
    """Return the agreement of two columns of distances with the same index."""
    a, b = teacher.to_numpy(), candidate.loc[teacher.index].to_numpy()
    draws = np.random.default_rng(0).integers(len(a), size=(RESAMPLES, len(a)))
    taus = [kendalltau(a[rows], b[rows]).statistic for rows in draws]
    pairs = itertools.permutations(range(len(a)), 2)
    wrong = sum(bool(a[i] >= RATIO * a[j] and b[j] >= RATIO * b[i]) for i, j in pairs)
    return Agreement(tau=float(kendalltau(a, b).statistic), lower=float(np.nanquantile(taus, LOWER)), reversed=wrong, generators=len(a))


def groups(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the groups of generators: distances by name of the generator and candidate."""
    found = table[table["kind"] == "generator"]
    fashion, digits = found[found["dataset"] == "fashion-mnist"], found[found["dataset"] == "digits"]
    full, half = fashion[fashion["budget"] == BUDGET], fashion[fashion["budget"] != BUDGET]
    ten = full["name"].isin(CHOOSE)
    parts = {
        "chosen by: ten variants": full[ten],
        "the other variants": full[~ten],
        "all, a third of the budget": half,
        "all, on digits": digits,
    }
    return {name: part.pivot_table(index="name", columns="candidate", values="distance") for name, part in parts.items() if len(part)}


def falls(table: pd.DataFrame, dataset: str, candidate: str) -> list[str]:
    """Return the faults that a candidate rates as better in a higher severity, by more than twice the standard error of the step."""
    planted = table[(table["kind"] == "planted") & (table["dataset"] == dataset) & (table["candidate"] == candidate)]
    found = []
    for name, rows in planted.sort_values("severity").groupby("name", sort=False):
        steps = rows["distance"].diff().to_numpy()[1:]
        errors = np.hypot(rows["standard_error"].to_numpy()[1:], rows["standard_error"].to_numpy()[:-1])
        found += [f"{name} {rows['severity'].iloc[at + 1]:g}" for at in np.flatnonzero(steps < -2 * errors)]
    return found


def distance(table: pd.DataFrame, dataset: str, candidate: str, name: str, severity: float = 0.0) -> float:
    """Return one distance of the table."""
    chosen = (table["dataset"] == dataset) & (table["candidate"] == candidate) & (table["name"] == name) & (table["severity"] == severity)
    return float(table.loc[chosen, "distance"].iloc[0])


def seconds(table: pd.DataFrame, dataset: str, candidate: str) -> float:
    """Return the seconds of one core for 10,000 images."""
    chosen = (table["kind"] == "seconds") & (table["dataset"] == dataset) & (table["candidate"] == candidate)
    return float(table.loc[chosen, "distance"].iloc[0])


def misses(table: pd.DataFrame, candidate: str) -> list[str]:
    """Return the conditions that a candidate misses. The group of ten variants by which the candidates were designed is not a condition."""
    found = []
    for name, group in list(groups(table).items())[1:]:
        one, plain = agreement(group[TEACHER], group[candidate]), agreement(group[TEACHER], group[PLAIN])
        wrong = [f"tau {one.tau:.2f}"] if one.tau < LEAST_TAU else []
        wrong += [f"lower end {one.lower:.2f}"] if one.lower <= plain.tau else []
        wrong += [f"{one.reversed} reversed"] if one.reversed else []
        found += [f"{name} ({', '.join(wrong)})"] if wrong else []
    for dataset in sorted(table["dataset"].unique()):
        found += [f"lower distance at {fault} on {dataset}" for fault in falls(table, dataset, candidate)]
    one_pixel, two = (distance(table, "fashion-mnist", candidate, "blur", sd) for sd in (1.0, 2.0))
    if one_pixel >= distance(table, "fashion-mnist", candidate, "untrained") / 2 or two <= one_pixel:
        found.append("blur of 1 pixel")
    if seconds(table, "fashion-mnist", candidate) > MOST_SECONDS:
        found.append(f"{seconds(table, 'fashion-mnist', candidate):.1f} s")
    return found


def agreement_table(table: pd.DataFrame) -> Iterator[str]:
    """Yield the lines of the table of agreement with the teacher."""
    parts = groups(table)
    names = [name for name in table["candidate"].unique() if name != TEACHER]
    yield "| candidate | " + " | ".join(f"{name} ({len(part)})" for name, part in parts.items()) + " | s for 10,000 images |"
    yield "|---|" + "---:|" * (len(parts) + 1)
    for name in names:
        cells = []
        for part in parts.values():
            one = agreement(part[TEACHER], part[name])
            cells.append(f"{one.tau:.2f} ({one.lower:.2f}), {one.reversed}")
        cost = "" if name == REPEATED else f"{seconds(table, 'fashion-mnist', name):.2f}"
        yield f"| {name} | " + " | ".join(cells) + f" | {cost} |"


def pairs_table(table: pd.DataFrame) -> Iterator[str]:
    """Yield the lines of the table of pairs in the teacher's order, by the ratio of the teacher's distances."""
    parts = groups(table).values()
    names = [name for name in table["candidate"].unique() if name != TEACHER]
    found = {name: [_in_order(parts, name, ratio) for ratio in RATIOS] for name in names}
    yield "| ratio of the reference | " + " | ".join(f"{ratio:g} or more" if ratio > 1 else "all pairs" for ratio in RATIOS) + " |"
    yield "|---|" + "---:|" * len(RATIOS)
    yield "| pairs | " + " | ".join(f"{pairs:,}" for _, pairs in found[names[0]]) + " |"
    for name, cells in found.items():
        yield f"| {name} | " + " | ".join(f"{_percent(right, pairs)} %" for right, pairs in cells) + " |"


def _in_order(parts: Iterable[pd.DataFrame], name: str, ratio: float) -> tuple[int, int]:
    """Return how many pairs of the groups a candidate orders as the teacher does, and how many pairs the teacher separates by a ratio."""
    right = pairs = 0
    for part in parts:
        a, b = part[TEACHER].to_numpy(), part[name].to_numpy()
        for i, j in itertools.permutations(range(len(a)), 2):
            if a[i] > a[j] and a[i] >= ratio * a[j]:
                pairs, right = pairs + 1, right + bool(b[i] > b[j])
    return right, pairs


def _percent(part: int, whole: int) -> str:
    """Return a share in percent. Only the whole is 100."""
    return "100" if part == whole else f"{min(99.9, 100 * part / whole):.1f}"


def planted_table(table: pd.DataFrame) -> Iterator[str]:
    """Yield the lines of the table of planted faults, as multiples of the distance of an untrained generator."""
    chosen = table[(table["dataset"] == "fashion-mnist") & table["kind"].isin(("reference", "planted"))]
    order = list(dict.fromkeys(chosen["name"]))
    chosen = chosen.sort_values(["name", "severity"], key=lambda column: column.map(order.index) if column.name == "name" else column)
    wide = chosen.pivot_table(index=["name", "severity"], columns="candidate", values="distance", sort=False)
    wide = wide / wide.loc[("untrained", 0.0)]
    names = [name for name in table["candidate"].unique() if name in wide]
    yield "| fault, severity | " + " | ".join(names) + " |"
    yield "|---|" + "---:|" * len(names)
    for (name, severity), row in wide.iterrows():
        yield f"| {name}{f' {severity:g}' if severity else ''} | " + " | ".join(f"{row[column]:.3f}" for column in names) + " |"


def tables(table: pd.DataFrame) -> Mapping[str, str]:
    """Return the parts of README.md that follow from the distances."""
    names = [name for name in table["candidate"].unique() if name not in (TEACHER, REPEATED)]
    missed = {name: misses(table, name) for name in names}
    verdicts = [
        f"- **{name}**: {'meets every condition' if not found else 'misses ' + '; '.join(found)}." for name, found in missed.items()
    ]
    return {
        "agreement": "\n".join(agreement_table(table)),
        "pairs": "\n".join(pairs_table(table)),
        "verdicts": "\n".join(verdicts),
        "planted": "\n".join(planted_table(table)),
    }


def written(page: str, parts: Mapping[str, str]) -> str:
    """Return the page with these parts between its markers `<!-- name -->` and `<!-- end -->`."""
    for name, text in parts.items():
        page = re.sub(
            rf"(<!-- {name} -->\n).*?(<!-- end -->)", lambda found, text=text: f"{found[1]}{text}\n{found[2]}", page, flags=re.DOTALL
        )
    return page


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(), tables(pd.read_csv(TABLE))))
