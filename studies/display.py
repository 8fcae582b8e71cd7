"""What a study shows while it goes on: a table of the variants and a bar for each trial on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from bench.core.text import pluralise
from bench.metrics.cards import card
from bench.runs.types import RunProgress, RunResult
from bench.scheduling.progress import status_text, time_left
from studies.study import Plan
from studies.sweep import Standing, StudyDisplay
from studies.trial import TrialJob


class Pace:
    """How long the search may still take, by how long it took so far."""

    def __init__(self, standings: Sequence[Standing]) -> None:
        self._started, self._there = time.monotonic(), sum(standing.done for standing in standings)

    def seconds_left(self, standings: Sequence[Standing]) -> float:
        """Not-a-number until a trial has ended."""
        done = sum(standing.done for standing in standings) - self._there
        more = sum(max(0, standing.wanted - standing.done) for standing in standings)
        return (time.monotonic() - self._started) / done * more if done else math.nan


class LineStudyDisplay(StudyDisplay):
    """A line at the end of every trial."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._plan: Plan | None = None
        self._pace: Pace | None = None

    def start(self, plan: Plan, standings: Sequence[Standing], *, workers: int) -> None:
        """Say how much there is to do."""
        self._plan, self._pace = plan, Pace(standings)
        for line in prospect(plan, standings, workers):
            self._say(line)

    def end(self, job: TrialJob, result: RunResult, standings: Sequence[Standing]) -> None:
        """How the trial ended, the best of its variant so far, and the time left."""
        if self._plan is None or self._pace is None:
            return
        done, wanted = sum(standing.done for standing in standings), sum(standing.wanted for standing in standings)
        own = standings[job.arm]
        left_ = time_left(self._pace.seconds_left(standings))
        self._say(f"[{done}/{wanted}] {ending(self._plan, own.variant, result)}; best {best(own)}; {left_} in the search")

    def searched(self, standings: Sequence[Standing]) -> None:
        """Say what comes next."""
        if self._plan is not None:
            self._say(finals(self._plan))

    def stop(self) -> None:
        """Nothing to give back."""

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


class LiveStudyDisplay(LineStudyDisplay):
    """The standings of all variants, redrawn as they change, and under them a bar for each trial under way."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._bars = Progress(TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.fields[note]}"), console=console)
        self._tasks: dict[str, TaskID] = {}
        self._live = Live(console=console, refresh_per_second=4, transient=True)
        self._standings: Sequence[Standing] = ()

    def start(self, plan: Plan, standings: Sequence[Standing], *, workers: int) -> None:
        """Show the table."""
        super().start(plan, standings, workers=workers)
        self._standings = standings
        self._live.start()
        self._draw()

    def update(self, job: TrialJob, progress: object) -> None:
        """Move the trial's bar."""
        if not isinstance(progress, RunProgress):
            return
        if job.key not in self._tasks:
            self._tasks[job.key] = self._bars.add_task(escape(job.name), total=1.0, note="")
        self._bars.update(self._tasks[job.key], completed=progress.share, note=escape(status_text(progress)))
        self._draw()

    def end(self, job: TrialJob, result: RunResult, standings: Sequence[Standing]) -> None:
        """Take the trial's bar away, and leave a line in its place."""
        if job.key in self._tasks:
            self._bars.remove_task(self._tasks.pop(job.key))
        self._standings = standings
        super().end(job, result, standings)
        self._draw()

    def searched(self, standings: Sequence[Standing]) -> None:
        """Leave the table as it stands at the end."""
        self._live.stop()
        self._console.print(table(standings))
        super().searched(standings)

    def stop(self) -> None:
        """Give the terminal back."""
        self._live.stop()

    def _draw(self) -> None:
        self._live.update(Group(table(self._standings), self._bars))


def table(standings: Sequence[Standing]) -> Table:
    """A row a variant."""
    found = Table(box=None, padding=(0, 2), header_style="bold")
    for title in ("variant", "trials", "running", "pruned", "without score", "crashed", "default", "best so far"):
        found.add_column(title, justify="left" if title == "variant" else "right")
    for one in standings:
        cells = (
            one.variant, f"{one.done} of {one.wanted}", one.running, one.pruned, one.unscored, one.failed,
            "–" if one.default is None else f"{one.default:.4g}", best(one),
        )  # fmt: skip
        found.add_row(*(Text(str(cell)) for cell in cells))
    return found


def prospect(plan: Plan, standings: Sequence[Standing], workers: int) -> list[str]:
    """What is about to happen."""
    more, there = sum(max(0, one.wanted - one.done) for one in standings), sum(one.done for one in standings)
    keys = ", ".join(dict.fromkeys(dimension.path.removeprefix("recipe.") for arm in plan.arms for dimension in arm.dimensions))
    aims = " and ".join(f"{card(objective.key).title} ({objective.direction} is better)" for objective in plan.objectives)
    lines = [
        f"{plan.study}: {pluralise(more, 'trial')} of {pluralise(len(plan.arms), 'variant')}, {workers} at a time"
        + (f"; {there} are there already" if there else ""),
        f"searching {keys} for {aims}, {plan.arms[0].base.budget} a run, {pluralise(len(plan.search_seeds), 'seed')} a trial; "
        f"sampler {plan.sampler}, pruner {plan.pruner}",
    ]
    return lines


def finals(plan: Plan) -> str:
    """What the second phase is."""
    return f"the best of each variant and its default, on {pluralise(len(plan.final_seeds), 'seed')} that chose nothing:"


def ending(plan: Plan, variant: str, result: RunResult) -> str:
    """How a trial ended, on one line."""
    number = f" {int(result.values['trial'])}" if "trial" in result.values else ""
    scores = [f"{card(one.key).title} {result.values[one.key]:.4g}" for one in plan.objectives if one.key in result.values]
    return ", ".join([f"{variant} trial{number}: {result.status}", *scores, *([result.reason] if result.reason else [])])


def best(one: Standing) -> str:
    """The best of a variant so far."""
    return "–" if one.best is None else f"{one.best:.4g} (trial {one.best_trial})"


def study_display_for(console: Console) -> LineStudyDisplay:
    """A live table on a terminal, lines elsewhere."""
    return LiveStudyDisplay(console) if console.is_terminal else LineStudyDisplay(console)
