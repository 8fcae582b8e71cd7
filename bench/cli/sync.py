"""The verb that delivers what waits: sync."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.common import DEFAULT_RUNS, app, runs_folder, say
from bench.core.errors import UserError
from bench.core.text import pluralise

if TYPE_CHECKING:
    from bench.runs.pending_writes import DeliveryResult


@app.command()
def sync(
    folder: Annotated[Path, typer.Option("--runs-dir", help="Where runs keep what could not be recorded.")] = DEFAULT_RUNS,
) -> None:
    """Record what runs could not while the tracking store was away: every write that waits, in order."""
    from bench.runs.pending_writes import deliver_pending
    from bench.tracking.store import tracking_uri

    told = []
    strangers = []  # they are a mistake where there is nothing else
    for one in deliver_pending(runs_folder(folder), tracking_uri()):
        told.append(one)
        if one.meant_for:
            strangers.append(one)
        else:
            say(_line(one))
    if strangers and len(strangers) == len(told):
        raise UserError(f"what waits in {folder} is {strangers[0].problem}")
    for one in strangers:
        say(_line(one))
    sent, left = sum(one.sent for one in told), sum(one.pending for one in told)
    if not told:
        say(f"nothing waits in {folder}")
        return
    delivered = f"{pluralise(sent, 'write')} of {pluralise(sum(one.sent > 0 for one in told), 'run')} delivered"
    say(delivered + (f", {pluralise(left, 'write')} still wait" if left else ""))
    if any(one.problem for one in told):
        raise typer.Exit(1)


def _line(one: DeliveryResult) -> str:
    """What became of one run's writes."""
    if one.busy:
        return f"{one.name}: in use by another process, its run or another sync: left to it"
    stays = f"; {pluralise(one.pending, 'write')} stay: {one.problem}" if one.problem else ""
    rest = "; the rest follows when the run resumes" if one.resumes else ""
    return f"{one.name}: {pluralise(one.sent, 'write')} delivered{stays}{rest}"
