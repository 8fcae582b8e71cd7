"""Command `ganbench runs prune`, which removes old checkpoints."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.common import DEFAULT_RUNS, app, print_table, runs_folder, say
from bench.cli.mistakes import Verbs
from bench.core.errors import UserError
from bench.core.text import pluralise

runs_app = typer.Typer(cls=Verbs, help="Remove old checkpoints of runs.", no_args_is_help=True)
app.add_typer(runs_app, name="runs")


@runs_app.command("prune")
def prune(
    older_than: Annotated[float, typer.Option("--older-than", metavar="DAYS", help="Minimum age of the newest checkpoint of a run.")],
    folder: Annotated[Path, typer.Option("--runs-dir", help="The folder with the checkpoints of runs.")] = DEFAULT_RUNS,
    yes: Annotated[bool, typer.Option("--yes", help="Remove the checkpoints. Without this option, only list them.")] = False,
) -> None:
    """Remove old checkpoints. Recorded results stay in MLflow.

    A finished run without its checkpoint cannot be extended. An unfinished run restarts instead of resuming.
    The command does not remove checkpoints of runs that another process trains, or of runs with pending writes.
    """
    from bench.runs.old_checkpoints import old_checkpoints, prune
    from bench.tracking.store import tracking_uri

    if not 0 <= older_than < math.inf:
        raise UserError(f"--older-than takes a number of days, 0 or more, not {older_than:g}")
    found = old_checkpoints(runs_folder(folder), tracking_uri(), days=older_than)
    if not found:
        say(f"no checkpoint in {folder} is older than {older_than:g} days")
        return
    rows = [
        (f"{one.folder.parent.name}/{one.folder.name}", one.variant, one.seed, one.status, f"{one.days:.1f}", f"{one.size / 1e6:,.1f}")
        for one in found
    ]
    print_table(pluralise(len(found), "run"), ("folder", "variant", "seed", "status", "days old", "MB"), rows)
    if not yes:
        removable = [one for one in found if not one.obstacle]
        size = sum(one.size for one in removable) / 1e6
        say(f"nothing is removed: --yes removes the checkpoints of {pluralise(len(removable), 'run')} ({size:,.1f} MB)")
        return
    removed = []
    for one, reason in prune(found):
        if reason:
            say(f"{one.folder.parent.name}/{one.folder.name} stays: {reason}")
        else:
            removed.append(one)
    say(f"removed the checkpoints of {pluralise(len(removed), 'run')} ({sum(one.size for one in removed) / 1e6:,.1f} MB)")
