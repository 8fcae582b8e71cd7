"""Common parts of all commands: the application, its two consoles, shared options, and functions that print."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from bench.cli.mistakes import Verbs
from bench.core.terminal import SafeConsole
from bench.core.text import harmless

if TYPE_CHECKING:
    from bench.scheduling.cluster import Cluster

GROUPS = {  # of the help text, in the order of use
    "Run": ("list", "show", "suite", "run", "study"),
    "Compare": ("report", "ui", "score"),
    "Data": ("data", "evaluate", "sample"),
    "Maintain": ("doctor", "sync", "runs", "perf"),
}


class Commands(Verbs):
    """All commands of ganbench, in the groups of the help text."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the commands in the order of `GROUPS`. Commands of no group are last."""
        order = [name for names in GROUPS.values() for name in names]
        return sorted(super().list_commands(ctx), key=lambda name: order.index(name) if name in order else len(order))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command with the title of its group."""
        command: Any = super().get_command(ctx, cmd_name)
        for title, names in GROUPS.items():
            if cmd_name in names and command is not None:
                command.rich_help_panel = title
        return command


app = typer.Typer(
    cls=Commands,
    help="A GAN benchmark suite whose numbers can be trusted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

DEFAULT_RUNS = Path("runs")
BUSY = 3  # exit status if another process trains a run
PIPE_WIDTH = 160  # columns if the output is not a terminal
console = SafeConsole() if sys.__stdout__ is not None and sys.__stdout__.isatty() else SafeConsole(width=PIPE_WIDTH)
errors = SafeConsole(stderr=True)
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change a value of the configuration, e.g. --set recipe.lr_g=1e-4. Repeatable."),
]
EvaluationSettings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change a setting of the evaluation, e.g. --set evaluation.photo=true. Repeatable."),
]
Vary = Annotated[
    str | None,
    typer.Option(
        metavar="STREAMS",
        help="Random streams that follow the seed: init (initial weights), data (order of the data), noise, or several separated by commas. The others are those of seed 0.",
    ),
]
Folder = Annotated[Path, typer.Option("--runs-dir", help="The folder for the checkpoints of runs.")]
InceptionWeights = Annotated[
    Path | None,
    typer.Option(
        "--inception-weights", metavar="PATH",
        help="Also measure the published FID, with torch-fidelity's weights-inception-2015-12-05-6726825d.pth. Sets evaluation.inception=true.",
    ),
]  # fmt: skip
Ray = Annotated[
    str,
    typer.Option("--ray", metavar="ADDRESS", help="Distribute the runs over the Ray cluster at HOST:PORT, or `auto` (docs/clusters.md)."),
]
CpusPerRun = Annotated[
    float | None, typer.Option("--cpus-per-run", metavar="N", help="Cores reserved for each run. Default: the threads of the run.")
]
GpusPerRun = Annotated[
    float | None,
    typer.Option(
        "--gpus-per-run",
        metavar="SHARE",
        help="Share of a GPU reserved for each run, e.g. 0.5. Default on a cluster: 1 for a CUDA run.",
    ),
]
MemoryPerRun = Annotated[float, typer.Option("--memory-per-run", metavar="GB", help="Memory reserved for each run.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the plan and do nothing.")]


def parse_settings(texts: list[str] | None) -> dict[str, Any]:
    """Return the values of the --set options by path."""
    from bench.core.config import parse_setting

    return dict(parse_setting(text) for text in texts or ())


def cluster_of(ray: str, cpus: float | None, gpus: float | None, memory: float) -> Cluster:
    """Return the cluster that the options describe."""
    from bench.scheduling.cluster import Cluster

    return Cluster(address=ray, cpus=cpus, gpus=gpus, memory_gb=memory)


def with_varied(settings: dict[str, Any], vary: str | None) -> dict[str, Any]:
    """Return the settings with the random streams of --vary."""
    if vary is None:
        return settings
    if "vary" in settings:
        from bench.core.errors import UserError

        raise UserError("--set vary and --vary both choose the random streams: remove one of them")
    return {**settings, "vary": vary}


def with_inception(settings: dict[str, Any], weights: Path | None) -> dict[str, Any]:
    """Return the settings with evaluation.inception=true if weights are given. An environment variable passes their path to workers."""
    if weights is None:
        return settings
    from bench.core.errors import UserError
    from bench.metrics.extractors.inception import VARIABLE

    path = "evaluation.inception"
    if settings.get(path, True) is not True:
        raise UserError(f"--set {path}={settings[path]!r} contradicts --inception-weights: remove one of them")
    os.environ[VARIABLE] = str(weights.absolute())
    return {**settings, path: True}


def runs_folder(folder: Path) -> Path:
    """Return the absolute path of a --runs-dir folder. Raises UserError if a folder other than the default does not exist."""
    if folder != DEFAULT_RUNS and not folder.is_dir():
        from bench.core.errors import UserError, nearest

        neighbours = [path.name for path in folder.absolute().parent.glob("*") if path.is_dir()]
        raise UserError(f"--runs-dir: there is no folder {str(folder)!r}" + nearest(folder.name, neighbours))
    return folder.absolute()


def say(text: str) -> None:
    """Print a line without markup, because a path may contain brackets."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table of cells without markup. It never wraps the first column."""
    table = Table(title=_plain(title), title_justify="left", header_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1))
    for index, column in enumerate(columns):
        table.add_column(_plain(column), overflow="fold", no_wrap=index == 0)
    for row in rows:
        table.add_row(*(_plain(cell) for cell in row))
    console.print(table)


def _plain(cell: str) -> Text:
    """Return a cell without markup and control characters, so that rich measures its correct width."""
    return Text(harmless(cell))


def with_error(value: float, error: float) -> str:
    """Return a value as text for a table, with its standard error unless that is NaN."""
    return number(value) if math.isnan(error) else f"{number(value)} ± {error:.2g}"


def number(value: float) -> str:
    """Return a number as text with four significant digits, or a dash for NaN."""
    return "–" if math.isnan(value) else f"{value:.4g}"
