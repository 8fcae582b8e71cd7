"""Verbs that measure and sample without training: evaluate, sample, score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli.common import (
    InceptionWeights,
    Settings,
    app,
    console,
    errors,
    number,
    parse_settings,
    print_table,
    say,
    with_error,
    with_inception,
)
from bench.core.text import pluralise

if TYPE_CHECKING:
    from bench.evaluation.external import Measured
    from bench.runs.types import RunResult
    from bench.scheduling.rescoring import FinishedRun


@app.command()
def evaluate(
    source: Annotated[
        str, typer.Argument(help="An .npz file with an array `images` (of points: `points`), a folder of images, or module:OBJECT.")
    ],
    dataset: Annotated[str, typer.Option(help="The registered dataset that the images are to be like; auto as in `run`.")] = "auto",
    range_: Annotated[
        tuple[float, float] | None, typer.Option("--range", metavar="LO HI", help="Black and white of float images; 0 1 unless given.")
    ] = None,
    latent: Annotated[int | None, typer.Option(help="Width of the latents of a module:OBJECT that does not say it.")] = None,
    n: Annotated[int | None, typer.Option("--n", help="Images to sample of a module:OBJECT; as many as a run's unless given.")] = None,
    as_is: Annotated[
        bool, typer.Option("--as-is", help="Measure the images even if their values show a slip, e.g. if they are nearly black.")
    ] = False,
    inception_weights: InceptionWeights = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Measure anybody's images by the protocol of this suite, beside real images and an untrained generator.

    Images are uint8, or floats in [0, 1] or in --range, in the order NHWC, NCHW, or NHW if grey. A module:OBJECT is a torch module,
    or a function or class that returns one; modules of the working directory can be named.
    """
    from bench.evaluation.external import measure

    inception = bool(with_inception({}, inception_weights))
    measured = measure(source, dataset, value_range=range_, latent=latent, n=n, inception=inception, as_is=as_is)
    if json:
        console.print_json(data=measured.as_json(), sort_keys=False)
    else:
        _print_measured(measured)


@app.command()
def sample(
    run_id: Annotated[str, typer.Argument(help="The id of a finished run, or at least 6 of its first digits.")],
    out: Annotated[
        Path, typer.Option(help="FILE.npz: an array `images`, uint8 NCHW, as `evaluate` takes it, or `points`. FILE.png: a picture.")
    ],
    n: Annotated[int, typer.Option("--n", help="How many images.")] = 64,
    seed: Annotated[int | None, typer.Option(help="The seed of the latents; the run's own unless given, which was measured.")] = None,
    weights: Annotated[str, typer.Option(help="last, or best where the run kept them.")] = "last",
    label: Annotated[
        str | None, typer.Option("--class", help="Of a conditional model: one class, by name or number, instead of the data's mix.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="Where to compute; the run's own device unless given, or the CPU where it is not here.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if it is there.")] = False,
) -> None:
    """Images (or points) of a recorded run's generator: those that were measured, if n is their number and no seed is given."""
    from bench.evaluation.export import check_target, write_samples
    from bench.evaluation.generator import check_count, load_generator

    check_count(n)
    check_target(out, force=force)
    generator = load_generator(run_id, weights=weights, device=device)
    made = generator.sample(n, seed=seed, label=label)
    points = generator.data.kind == "points"
    write_samples(made, out, generator.dataset if points else None)
    say(f"{len(made):,} {'points' if points else 'images'}: {out}")


@app.command()
def score(
    run_ids: Annotated[list[str] | None, typer.Argument(metavar="[RUN_ID]...", help="Ids of finished runs.")] = None,
    suite: Annotated[str | None, typer.Option(help="All finished runs of a suite instead.")] = None,
    workers: Annotated[int | None, typer.Option(help="Runs side by side; cores // threads unless given.")] = None,
    set_: Settings = None,
    inception_weights: InceptionWeights = None,
) -> None:
    """Measure finished runs again from their weights, e.g. by another protocol: --set evaluation.samples=5000. Trains nothing."""
    from bench.scheduling.progress import display_for
    from bench.scheduling.rescoring import finished_runs, rescore
    from bench.scheduling.signals import stop_on_signal
    from bench.tracking.store import tracking_uri

    uri = tracking_uri()
    runs = finished_runs(uri, run_ids or (), suite, with_inception(parse_settings(set_), inception_weights))
    display = display_for(console)
    try:
        with stop_on_signal(lambda text: errors.print(text, highlight=False)) as stop:
            ended = rescore(runs, uri=uri, workers=workers, stop=stop, display=display)
            interrupted = stop()
    finally:
        display.stop()
    _print_scores(ended.runs)
    if interrupted:
        raise typer.Exit(130)
    if ended.failed:
        raise typer.Exit(1)


def _print_measured(measured: Measured) -> None:
    from bench.metrics.cards import SE, card
    from bench.metrics.cards import measured as metrics

    rows = []
    for key in (key for key in metrics() if key in measured.measurement.values):
        sides = (measured.measurement, *measured.rows.values())
        found = card(key)
        rows.append(
            (key, *(with_error(side.values[key], side.values.get(f"{key}{SE}", math.nan)) for side in sides), found.arrow, found.unit)
        )
    columns = ("metric", "value", *measured.rows, "", "unit")
    print_table(f"{measured.n:,} {measured.what} of {measured.source}, measured as {measured.dataset}", columns, rows)
    for key, reason in measured.measurement.reasons.items():
        say(f"{key}: {reason}")
    for kind, reason in measured.left_out.items():
        say(f"no row {kind}: {reason}")
    say(f"protocol {measured.protocol['all']}: compare only with numbers of the same")


def _print_scores(ended: Sequence[tuple[FinishedRun, RunResult]]) -> None:
    from bench.metrics.cards import card, headline_among, headline_value

    rows: list[tuple[Any, ...]] = [
        (
            run.variant,
            run.dataset,
            str(run.seed),
            number(run.before),
            number(headline_value(result.values)),
            run.run_id,
            result.reason,
        )
        for run, result in ended
    ]
    keys = {headline_among(result.values) for _, result in ended} - {None}
    title = " or ".join(sorted(card(key).title for key in keys if key)) or "headline"
    print_table(f"{pluralise(len(rows), 'run')} measured again", ("variant", "dataset", "seed", f"{title} before", "now", "run", ""), rows)
