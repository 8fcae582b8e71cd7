"""Verbs that train: run, suite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli.common import DryRun, Folder, Settings, app, console, errors, parse_settings, print_table, say

if TYPE_CHECKING:
    from bench.campaign import Outcome
    from bench.suite import PlannedRun, Suite

RUNS = "runs"  # the experiment of `ganbench run`


@app.command()
def run(
    variant: Annotated[str, typer.Argument(help="A registered variant, or module:OBJECT.")],
    dataset: Annotated[str, typer.Option(help="A registered dataset; auto: Fashion-MNIST where it can be had, else digits.")] = "auto",
    seed: Annotated[int, typer.Option(help="The training seed.")] = 0,
    set_: Settings = None,
    folder: Folder = Path("runs"),
    dry_run: DryRun = False,
) -> None:
    """Train and measure one variant, and record it in MLflow (experiment `runs`)."""
    from bench.suite import Entry, Suite, plan

    suite = Suite(name=RUNS, idea="single runs", entries=(Entry(variant=variant),), datasets=(dataset,), seeds=(seed,))
    planned = plan(suite, settings=parse_settings(set_))
    if dry_run:
        console.print_json(planned[0].config.canonical())
        return
    outcome = _executed(suite, planned, folder, workers=1)
    if outcome.results:
        _print_values(outcome.results[0].values, outcome.results[0].run_id)
    elif outcome.skipped:
        say(f"already {outcome.decisions[0].why}: run {outcome.decisions[0].run_id}")
    _exit_by(outcome)


@app.command()
def suite(
    name: Annotated[str, typer.Argument(help="A ready suite: `ganbench list suites`.")],
    seeds: Annotated[int | None, typer.Option(help="Number of training seeds, from 0.")] = None,
    only: Annotated[str, typer.Option(help="A glob over variants, e.g. 'wgan*'.")] = "*",
    dataset: Annotated[str | None, typer.Option(help="Another dataset than the suite's.")] = None,
    workers: Annotated[int | None, typer.Option(help="Runs side by side; cores // threads unless given.")] = None,
    set_: Settings = None,
    folder: Folder = Path("runs"),
    dry_run: DryRun = False,
) -> None:
    """Do what is missing of a suite: finished runs are skipped, stopped ones go on."""
    from bench.suite import SUITES, plan

    chosen = SUITES.get(name)
    planned = plan(chosen, only=only, seeds=seeds, dataset=dataset, settings=parse_settings(set_))
    if dry_run:
        _print_plan(planned)
        return
    outcome = _executed(chosen, planned, folder, workers=workers)
    trained = len(outcome.results)
    counts = ", ".join(
        f"{count} {status}" for status in ("finished", "diverged", "interrupted", "failed") if (count := outcome.count(status))
    )
    left = f", {outcome.busy} left to another process" if outcome.busy else ""
    say(f"{name}: {trained} runs done now" + (f" ({counts})" if counts else "") + f", {outcome.skipped} were there already{left}")
    _exit_by(outcome)


def _executed(suite: Suite, planned: Sequence[PlannedRun], folder: Path, *, workers: int | None) -> Outcome:
    from bench.campaign import run_suite
    from bench.display import display_for
    from bench.stopping import stop_on_signal
    from bench.store import tracking_uri

    display = display_for(console)
    try:
        with stop_on_signal(lambda text: errors.print(text, highlight=False)) as stop:
            return run_suite(suite, planned, uri=tracking_uri(), folder=folder.absolute(), workers=workers, stop=stop, display=display)
    finally:
        display.stop()


def _exit_by(outcome: Outcome) -> None:
    """130 after Ctrl-C, 1 where a run failed."""
    if outcome.interrupted:
        raise typer.Exit(130)
    if outcome.count("failed"):
        raise typer.Exit(1)


def _print_plan(planned: Sequence[PlannedRun]) -> None:
    rows = [
        (
            run.config.variant,
            run.config.networks,
            run.config.dataset,
            str(run.config.seed),
            f"{run.config.budget.images:,}",
            _short(run.overrides),
        )
        for run in planned
    ]
    print_table(f"{len(rows)} runs", ("variant", "networks", "dataset", "seed", "images", "differs from its recipe"), rows)


def _short(overrides: Mapping[str, Any]) -> str:
    return ", ".join(f"{path}={value}" for path, value in overrides.items() if path.startswith("recipe."))


def _print_values(values: Mapping[str, float], run_id: str) -> None:
    from bench.cards import CARDS

    rows = [(key, f"{value:.4g}", CARDS[key].arrow, CARDS[key].unit) for key, value in values.items() if key in CARDS]
    print_table(f"run {run_id}", ("metric", "value", "", "unit"), rows)
