"""Verbs that train: run, suite."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli.common import (
    LEFT,
    CpusPerRun,
    DryRun,
    Folder,
    GpusPerRun,
    InceptionWeights,
    MemoryPerRun,
    Ray,
    Settings,
    app,
    cluster_of,
    console,
    errors,
    parse_settings,
    print_table,
    say,
    with_error,
    with_inception,
)
from bench.core.errors import UserError
from bench.core.text import duration, pluralise

if TYPE_CHECKING:
    from bench.core.config import RunConfig
    from bench.runs.types import RunResult
    from bench.scheduling.cluster import Cluster
    from bench.scheduling.scheduler import ExecutionPlan, ExecutionResult
    from bench.scheduling.suite import PlannedRun, Suite

RUNS = "runs"  # the experiment of `ganbench run`


@app.command()
def run(
    variant: Annotated[str, typer.Argument(help="A registered variant, or module:OBJECT.")],
    dataset: Annotated[
        str, typer.Option(help="A registered dataset, folder:PATH or module:OBJECT; auto: Fashion-MNIST, else digits.")
    ] = "auto",
    seed: Annotated[int, typer.Option(help="The training seed.")] = 0,
    set_: Settings = None,
    inception_weights: InceptionWeights = None,
    folder: Folder = Path("runs"),
    dry_run: DryRun = False,
) -> None:
    """Train and measure one variant, and record it in MLflow (experiment `runs`).

    Exit status 1 if the run fails, 3 if another process is training it.
    """
    from bench.scheduling.suite import Entry, Suite, plan

    suite = Suite(name=RUNS, idea="single runs", entries=(Entry(variant=variant),), datasets=(dataset,), seeds=(seed,))
    planned = plan(suite, settings=with_inception(parse_settings(set_), inception_weights))
    if dry_run:
        from bench.runs.auto_choice import Auto, resolve
        from bench.runs.preparation import check
        from bench.tracking.store import tracking_uri

        check(resolve(planned[0].config, Auto(tracking_uri(), RUNS)))
        console.print_json(planned[0].config.canonical())
        return
    outcome = _executed(suite, _foreseen(suite, planned, folder, workers=1, probe=False, deliver=True), folder, wait=False)
    if outcome.results and outcome.results[0].values:
        _print_values(outcome.results[0])
    elif outcome.recorded:
        say(f"already there: run {outcome.recorded[0].run_id} ({outcome.recorded[0].reason})")
    elif outcome.skipped:
        say(f"already {outcome.actions[0].why}: run {outcome.actions[0].run_id}")
    _exit_by(outcome)


@app.command()
def suite(
    name: Annotated[str, typer.Argument(help="A ready suite: `ganbench list suites`.")],
    seeds: Annotated[int | None, typer.Option(help="Number of training seeds, from 0.")] = None,
    only: Annotated[str, typer.Option(help="Globs over variants, e.g. 'wgan*' or cgan,acgan.")] = "*",
    dataset: Annotated[str | None, typer.Option(help="Another dataset than the suite's.")] = None,
    workers: Annotated[int | None, typer.Option(help="Runs side by side; as many as there are cores for unless given.")] = None,
    ray: Ray = "",
    cpus_per_run: CpusPerRun = None,
    gpus_per_run: GpusPerRun = None,
    memory_per_run: MemoryPerRun = 0.0,
    extend: Annotated[
        int | None, typer.Option(metavar="IMAGES", help="Go on from the last checkpoints of finished runs to this budget, as new runs.")
    ] = None,
    set_: Settings = None,
    inception_weights: InceptionWeights = None,
    folder: Folder = Path("runs"),
    dry_run: DryRun = False,
) -> None:
    """Do what is missing of a suite: finished runs are skipped, stopped ones go on.

    Runs that another process trains come last, and are waited for. Exit status 1 if a run fails, 3 if one is left to another process.
    """
    from bench.scheduling.suite import SUITES, plan

    chosen, cluster = SUITES.get(name), cluster_of(ray, cpus_per_run, gpus_per_run, memory_per_run)
    settings = with_inception(parse_settings(set_), inception_weights)
    planned = plan(chosen, only=only, seeds=seeds, dataset=dataset, settings=_extended(settings, extend))
    execution_plan = _foreseen(chosen, planned, folder, workers=workers, cluster=cluster, extend=extend is not None, deliver=not dry_run)
    if dry_run:
        _print_outlook(execution_plan)
        return
    outcome = _executed(chosen, execution_plan, folder)
    trained = len(outcome.results)
    counts = ", ".join(
        f"{count} {status}" for status in ("finished", "diverged", "interrupted", "failed") if (count := outcome.count(status))
    )
    left = f", {len(outcome.busy)} left to another process" if outcome.busy else ""
    anew = sum(bool(action.changed) for action in outcome.actions)
    earlier = f"; {pluralise(anew, 'run')} there under another version, too" if anew else ""
    say(
        f"{name}: {pluralise(trained, 'run')} done now"
        + (f" ({counts})" if counts else "")
        + f", {outcome.skipped} were there already{left}{earlier}"
    )
    _exit_by(outcome)


def _extended(settings: dict[str, Any], images: int | None) -> dict[str, Any]:
    """The settings with the budget that --extend names."""
    own = next((path for path in settings if path.startswith("budget.")), None)
    if images is not None and own:
        raise UserError(f"{own} cannot be --set with --extend, which gives the budget")
    return settings if images is None else {**settings, "budget.images": images}


def _foreseen(
    suite: Suite, planned: Sequence[PlannedRun], folder: Path, *, workers: int | None, cluster: Cluster | None = None,
    extend: bool = False, probe: bool = True, deliver: bool,
) -> ExecutionPlan:  # fmt: skip
    from bench.scheduling.cluster import HERE
    from bench.scheduling.scheduler import plan_execution
    from bench.tracking.store import tracking_uri

    return plan_execution(
        suite, planned, uri=tracking_uri(), folder=folder.absolute(), workers=workers, cluster=cluster or HERE, extend=extend, probe=probe,
        deliver=deliver,
    )  # fmt: skip


def _executed(suite: Suite, execution_plan: ExecutionPlan, folder: Path, *, wait: bool = True) -> ExecutionResult:
    from bench.scheduling.progress import display_for
    from bench.scheduling.scheduler import run_suite
    from bench.scheduling.signals import stop_on_signal
    from bench.tracking.store import tracking_uri

    display = display_for(console)
    try:
        with stop_on_signal(lambda text: errors.print(text, highlight=False)) as stop:
            return run_suite(suite, execution_plan, uri=tracking_uri(), folder=folder.absolute(), stop=stop, display=display, wait=wait)
    finally:
        display.stop()


def _exit_by(outcome: ExecutionResult) -> None:
    """130 after Ctrl-C, 1 where a run failed, 3 where another process has one or took it over."""
    for result in outcome.busy:
        say(f"{result.variant} seed {result.seed} is left to another process: {result.reason}")
    if outcome.interrupted:
        raise typer.Exit(130)
    if outcome.count("failed"):
        raise typer.Exit(1)
    if outcome.busy or outcome.count("interrupted"):
        raise typer.Exit(LEFT)


def _print_outlook(execution_plan: ExecutionPlan) -> None:
    """The plan, what is there already, and the estimate."""
    rows = [
        (
            action.config.variant,
            action.config.networks,
            action.config.dataset,
            str(action.config.seed),
            str(action.config.budget),
            action.kind if action.why in ("new", "") else f"{action.kind}: {action.why}",
            duration(seconds) if (seconds := execution_plan.estimate.seconds.get(action.fingerprint)) is not None else "",
            _differences(action.config),
        )
        for action in execution_plan.actions
    ]
    columns = ("variant", "networks", "dataset", "seed", "budget", "to do", "about", "differs from its recipe")
    print_table(f"{pluralise(len(rows), 'run')}, {len(execution_plan.todo)} to do", columns, rows)
    if execution_plan.todo:
        workers = min(execution_plan.workers, len(execution_plan.todo))
        say(f"about {duration(execution_plan.estimate.wall_seconds(workers))} with {workers} at a time, by a short probe of each variant")


def _differences(config: RunConfig) -> str:
    """The recipe's numbers that are not as the variant is registered."""
    from bench.core.config import config_for, paths

    registered = paths(config_for(config.variant))
    changed = {path: value for path, value in paths(config).items() if path.startswith("recipe.") and value != registered[path]}
    return ", ".join(f"{path.removeprefix('recipe.')}={value}" for path, value in changed.items())


def _print_values(result: RunResult) -> None:
    from bench.metrics.cards import CARDS, SE

    values = result.values
    rows = [
        (key, with_error(value, values.get(f"{key}{SE}", math.nan)), CARDS[key].arrow, CARDS[key].unit)
        for key, value in values.items()
        if key in CARDS
    ]
    print_table(f"run {result.run_id}", ("metric", "value", "", "unit"), rows)
    for key, reason in result.reasons.items():
        say(f"{key}: {reason}")
