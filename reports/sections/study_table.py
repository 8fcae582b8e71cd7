"""Tables of a study: for each variant its trials, their cost, the best value, and the gain on fresh seeds."""

from __future__ import annotations

import shlex
import statistics

from bench.core.text import pluralise
from reports import stats
from reports.cohort import CohortEntry
from reports.comparisons import Comparison
from reports.document import Cell, Column, Row, Table, Tone
from reports.format import NOTHING, count, interval, number, percent
from reports.palette import Palette
from reports.plots.dimension_axis import setting_text
from reports.sections import study_text
from reports.sections.common import name_cell
from reports.sections.pairs import TONES, verdict_words
from reports.study import BestTrial, SearchedStudy, State, Tuning
from reports.tuning_outcomes import DEFAULT, TuningOutcome
from reports.view import StudyResults

STATES: tuple[State, ...] = ("complete", "pruned", "diverged", "failed", "running", "waiting")
MOST_REASONS = 50  # rows


def table(searched: StudyResults, outcomes: list[TuningOutcome], palette: Palette) -> Table:
    """Return the table with a row for each variant."""
    study = searched.study
    objective = study.objective
    value = f"{objective.title}\N{NO-BREAK SPACE}{objective.arrow}".strip()
    titles = (
        "",
        "trials",
        "images",
        "default, search",
        "best, search",
        "default, final",
        "tuned, final",
        "tuned against default",
        "near the best",
    )
    return Table(
        columns=tuple(Column(title=title, align="right" if title else "left") for title in titles),
        rows=tuple(_row(study, outcome, palette) for outcome in outcomes),
        caption=f"{study_text.setting(searched)} {value} on the search's seeds, and for the final runs its mean with a 95 % interval.",
        notes=(
            "images: real images that the trials used, and their share of the number without pruning. "
            f"near the best: share of the complete, pruned and diverged trials within {percent(stats.NEAR)} of the best value; "
            "a small share means that the settings matter. A search may use fewer samples than final runs, so compare within a phase.",
            "tuned against default: ratio of geometric means over the final seeds with its 95 % Welch interval. The verdict is after Holm's "
            "correction over the variants (n.s.: no significant difference). " + study_text.BIAS,
        ),
    )


def _row(study: SearchedStudy, outcome: TuningOutcome, palette: Palette) -> Row:
    tuning = outcome.tuning
    default = tuning.default
    found = NOTHING if default is None else number(default.values[0]) if default.values else default.state
    best = tuning.best
    near = study_text.near(study, tuning)
    cells = (
        name_cell(tuning.name, palette),
        _trials(tuning),
        Cell(text=count(sum(trial.images for trial in tuning.trials)), detail=_saved(tuning)),
        Cell(text=found, tone="bad" if default is not None and default.state in ("diverged", "failed") else "plain"),
        Cell(text=NOTHING) if best is None else Cell(text=number(best.values[0]), tone="strong", detail=f"trial {best.number}"),
        _final(outcome.default, outcome.key, study),
        Cell(text="the same", tone="muted") if outcome.same else _final(outcome.tuned, outcome.key, study),
        _verdict(outcome.pair),
        Cell(text=NOTHING if near is None else percent(near)),
    )
    return Row(cells=cells)


def _trials(tuning: Tuning) -> Cell:
    """Return the number of trials, and the number in each other state than complete."""
    counts = {state: tuning.count(state) for state in STATES if tuning.count(state)}
    lost = counts.keys() & {"diverged", "failed"}
    detail = ", ".join(f"{n} {state}" for state, n in counts.items() if state != "complete")
    return Cell(text=str(len(tuning.trials)), detail=detail, tone="bad" if lost else "plain")


def _saved(tuning: Tuning) -> str:
    """Return the share of images compared with unpruned trials. The text is empty if no trial was pruned or none was complete."""
    ended = [trial for trial in tuning.trials if trial.state in ("complete", "pruned")]
    whole = [trial.images for trial in ended if trial.state == "complete" and trial.images]
    if not whole or not any(trial.state == "pruned" for trial in ended):
        return ""
    return f"{percent(sum(trial.images for trial in ended) / (statistics.median(whole) * len(ended)))} of unpruned"


def _final(entry: CohortEntry | None, key: str, study: SearchedStudy) -> Cell:
    """Return the mean with its interval and the number of seeds. A failure makes the mean infinite."""
    data = None if entry is None else entry.sample(key)
    if data is None or not data.n:
        return Cell(text=NOTHING)
    summary = stats.summarise(data, study.objective.direction)
    few = data.n != len(study.final_seeds) or data.failures
    seeds = pluralise(data.n, "seed") + (f", {data.failures} failed" if data.failures else "") if few else ""
    return Cell(text=number(summary.mean), detail=" ".join(part for part in (interval(summary.interval), seeds) if part))


def _verdict(pair: Comparison | None) -> Cell:
    if pair is None:
        return Cell(text=NOTHING)
    ratio = "" if pair.ratio is None else f"× {number(pair.ratio)} {interval(pair.interval)}"
    tone: Tone = "plain" if pair.better == DEFAULT else TONES[pair.verdict]
    return Cell(text=verdict_words(pair), tone=tone, detail=pair.reason or "; ".join(filter(None, (ratio or pair.test, pair.failures))))


def recipes(study: SearchedStudy, palette: Palette) -> Table | None:
    """Return the best recipe of each variant as command-line options, or None if no variant has one."""
    found = [(tuning, tuning.best) for tuning in study.tunings if tuning.best is not None]
    rows = tuple(
        Row(
            cells=(
                name_cell(tuning.name, palette),
                Cell(text=settings(best), code=True) if best.options else Cell(text="the default recipe, without options", tone="muted"),
            )
        )
        for tuning, best in found
    )
    columns = tuple(Column(title=title, align="left") for title in ("", "the best recipe found, for ganbench run"))
    return Table(columns=columns, rows=rows) if rows else None


def settings(best: BestTrial) -> str:
    """Return the recipe as command-line options, quoted for a shell, because its text comes from the store."""
    return shlex.join(word for option in best.options for word in ("--set", option))


def reasons(study: SearchedStudy, palette: Palette) -> Table | None:
    """Return the folded table of trials without a value, with their reasons, or None if there are none."""
    found = study_text.reasons(study)
    if not found:
        return None
    rows = tuple(
        Row(
            cells=(
                name_cell(tuning.name, palette),
                Cell(text=str(trial.number)),
                Cell(text=trial.state, tone="bad"),
                Cell(text=", ".join(f"{path.removeprefix('recipe.')} {setting_text(value)}" for path, value in trial.params.items())),
                Cell(text=study_text.why(trial)),
            )
        )
        for tuning, trial in found[:MOST_REASONS]
    )
    columns = tuple(Column(title=title, align="left") for title in ("", "trial", "state", "settings", "reason"))
    more = f"The first {MOST_REASONS} of {len(found)}. " if len(found) > MOST_REASONS else ""
    caption = f"{more}A trial that diverged or has no value ranks last. A failed trial is not one of the requested trials."
    return Table(columns=columns, rows=rows, caption=caption, folded="Trials without a value")
