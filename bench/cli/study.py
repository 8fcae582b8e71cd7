"""The verb that searches: study."""

from __future__ import annotations

from dataclasses import replace
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
    number,
    parse_settings,
    print_table,
    say,
    with_inception,
)
from bench.core.errors import UserError
from bench.core.text import pluralise

if TYPE_CHECKING:
    from bench.scheduling.cluster import Cluster
    from studies.study import Plan, Study
    from studies.sweep import Sweep


@app.command()
def study(
    name: Annotated[str, typer.Argument(help="A ready study: `ganbench list studies`.")],
    variants: Annotated[str | None, typer.Option(metavar="NAMES", help="Other variants than the study's: dcgan,wgan-gp.")] = None,
    space: Annotated[str | None, typer.Option(help="Another search space: `ganbench list spaces`, or module:OBJECT.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Another dataset than the study's.")] = None,
    objective: Annotated[
        str | None,
        typer.Option(metavar="KEY[,KEY]", help="The metric that trials are judged by, or two; the data's headline unless given."),
    ] = None,
    sampler: Annotated[str | None, typer.Option(help="tpe, random or grid.")] = None,
    sampler_seed: Annotated[int | None, typer.Option(help="The seed of the sampler.")] = None,
    pruner: Annotated[str | None, typer.Option(help="none, median (by marks of a run) or wilcoxon (by seeds).")] = None,
    trials: Annotated[
        int | None, typer.Option(help="Trials of each variant; complete and pruned ones count, the default is the first.")
    ] = None,
    search_seeds: Annotated[int | None, typer.Option(help="Training seeds of each trial.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Fresh seeds for the best recipe and the default; 0: no final runs.")] = None,
    as_name: Annotated[str | None, typer.Option("--name", help="Keep it under another name, as a study of its own.")] = None,
    workers: Annotated[int | None, typer.Option(help="Trials side by side; as many as there are cores for unless given.")] = None,
    ray: Ray = "",
    cpus_per_run: CpusPerRun = None,
    gpus_per_run: GpusPerRun = None,
    memory_per_run: MemoryPerRun = 0.0,
    storage: Annotated[
        str, typer.Option(metavar="PATH|URL", help="A journal file, or postgresql://USER@HOST/NAME for several machines.")
    ] = "studies.journal",
    set_: Settings = None,
    inception_weights: InceptionWeights = None,
    folder: Folder = Path("runs"),
    dry_run: DryRun = False,
) -> None:
    """Search the best recipe of each variant at equal cost, then train it and the author's own on fresh seeds.

    What is there already counts: call it again to go on, or elsewhere at the same time to share the work.
    """
    from bench.tracking.store import tracking_uri
    from studies.plan import plan
    from studies.study import STUDIES

    chosen = _changed(
        STUDIES.get(name), name=as_name, space=space, dataset=dataset, objectives=_listed(objective), sampler=sampler, sampler_seed=sampler_seed,
        pruner=pruner, trials=trials, search_seeds=search_seeds, final_seeds=seeds,
    )  # fmt: skip
    cluster = cluster_of(ray, cpus_per_run, gpus_per_run, memory_per_run)
    where = storage if "://" in storage else str(Path(storage).absolute())
    planned = plan(
        chosen, uri=tracking_uri(), storage=where, folder=str(folder.absolute()), only=_listed(variants) or (),
        settings=with_inception(parse_settings(set_), inception_weights),
    )  # fmt: skip
    if dry_run:
        _print_plan(planned)
        return
    _exit_by(_swept(planned, workers, cluster), planned)


def _swept(planned: Plan, workers: int | None, cluster: Cluster) -> Sweep:
    from bench.scheduling.progress import display_for
    from bench.scheduling.signals import stop_on_signal
    from studies.display import study_display_for
    from studies.sweep import sweep

    display, final_display = study_display_for(console), display_for(console)
    try:
        with stop_on_signal(lambda text: errors.print(text, highlight=False)) as stop:
            return sweep(planned, workers=workers, cluster=cluster, stop=stop, display=display, final_display=lambda: final_display)
    finally:
        display.stop()
        final_display.stop()


def _changed(study: Study, **given: Any) -> Study:
    """The study with what was given on the command line."""
    return replace(study, **{key: value for key, value in given.items() if value is not None})


def _listed(text: str | None) -> tuple[str, ...] | None:
    """The parts of a comma-separated option; None where it was not given."""
    if text is None:
        return None
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    if not found:
        raise UserError(f"{text!r} names nothing")
    return found


def _print_plan(planned: Plan) -> None:
    """What the study would do."""
    from studies.opening import target

    rows = [
        (
            arm.variant, str(target(planned, arm)), str(arm.base.budget), arm.base.dataset,
            ", ".join(f"{path}={value}" for path, value in arm.defaults.items()), "; ".join(dimension.words for dimension in arm.dimensions),
        )
        for arm in planned.arms
    ]  # fmt: skip
    print_table(planned.study, ("variant", "trials", "budget a run", "data", "default, the first trial", "space"), rows)
    say(
        f"{pluralise(len(planned.search_seeds), 'seed')} a trial, sampler {planned.sampler}, pruner {planned.pruner}; "
        f"then the best and the default on {pluralise(len(planned.final_seeds), 'fresh seed')}"
    )


def _exit_by(found: Sweep, planned: Plan) -> None:
    """The best recipes, then 130 after Ctrl-C, 1 where a run failed or a variant was given up."""
    import json

    variants = json.loads(found.json)["variants"] if found.json else {}
    rows = []
    for one in found.standings:
        best = variants.get(one.variant, {}).get("best")
        value = "–" if one.best is None else number(one.best)
        default = "–" if one.default is None else number(one.default)
        recipe = (
            "none has a score"
            if best is None
            else "its default"
            if best["default"]
            else f"ganbench run {one.variant} --dataset {planned.arms[0].base.dataset} {best['set']}"
        )
        rows.append((one.variant, f"{one.done} of {one.wanted}", default, value, recipe))
    columns = ("variant", "trials", f"default: {planned.objectives[0].key}", "best trial", "to train its recipe")
    print_table(f"{planned.study}: best of the search, on seeds that chose it", columns, rows)
    for variant in found.given_up:
        say(f"{variant}: given up, because its trials crash; `ganbench report --suite {planned.study}` says why")
    if found.elsewhere:
        say("another process does the final runs")
    say(f"`ganbench report --suite {planned.study}` compares the best with the default on seeds that chose nothing")
    if found.interrupted:
        raise typer.Exit(130)
    if found.given_up or (found.final is not None and found.final.count("failed")):
        raise typer.Exit(1)
    if found.final is not None and found.final.busy:
        raise typer.Exit(LEFT)
