"""The command `ganbench sync`, which delivers pending writes."""

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
    folder: Annotated[Path, typer.Option("--runs-dir", help="The folder with the pending writes of runs.")] = DEFAULT_RUNS,
) -> None:
    """Deliver pending writes to the tracking store, in their order. Runs save them while the store is unreachable."""
    from bench.runs.pending_writes import deliver_pending
    from bench.tracking.store import tracking_uri

    runs = []
    elsewhere = []  # runs whose writes are for another store. If all are, the user has chosen the wrong store
    for one in deliver_pending(runs_folder(folder), tracking_uri()):
        runs.append(one)
        if one.meant_for:
            elsewhere.append(one)
        else:
            say(_line(one))
    if elsewhere and len(elsewhere) == len(runs):
        raise UserError(f"the pending writes in {folder} are {elsewhere[0].problem}")
    for one in elsewhere:
        say(_line(one))
    sent, pending = sum(one.sent for one in runs), sum(one.pending for one in runs)
    if not runs:
        say(f"no pending writes in {folder}")
        return
    delivered = f"{pluralise(sent, 'write')} of {pluralise(sum(one.sent > 0 for one in runs), 'run')} delivered"
    say(delivered + (f", {pluralise(pending, 'write')} still pending" if pending else ""))
    if any(one.problem for one in runs):
        raise typer.Exit(1)


def _line(one: DeliveryResult) -> str:
    """Return the result for one run as a line of text."""
    if one.busy:
        return f"{one.name}: another process holds the run lock and delivers the writes"
    stays = f"; {pluralise(one.pending, 'write')} still pending: {one.problem}" if one.problem else ""
    rest = "; the other writes follow when the run resumes" if one.resumes else ""
    return f"{one.name}: {pluralise(one.sent, 'write')} delivered{stays}{rest}"
