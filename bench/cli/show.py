"""Command `ganbench show`, which describes a variant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.common import Settings, app, console, parse_settings, say
from bench.core.errors import UserError

if TYPE_CHECKING:
    from bench.core.config import RunConfig
    from reports.document import Document

AUTO = "auto"


@app.command()
def show(
    variant: Annotated[str, typer.Argument(help="A registered variant, or module:OBJECT.")],
    dataset: Annotated[
        str, typer.Option(help="The dataset that defines the shape of the networks; auto: Fashion-MNIST, or the first suitable one.")
    ] = AUTO,
    set_: Settings = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print markdown instead of plain text.")] = False,
) -> None:
    """Describe a variant: losses, one round of training, layers, hyperparameters, differences from the publication, source files.

    Builds the networks and computes each loss once on random data. Trains nothing and records nothing.
    """
    from bench.cli.plain_text import WIDTH, plain_text
    from bench.core.config import config_for
    from reports.markdown import markdown as as_markdown

    document = _page(config_for(variant, parse_settings(set_)), dataset)
    say((as_markdown(document).text if markdown else plain_text(document, min(WIDTH, console.width))).rstrip("\n"))


def _page(config: RunConfig, dataset: str) -> Document:
    """Return the page for a dataset. For `auto`, it is the first dataset that the networks support."""
    from bench.cli.variant_page import page
    from bench.core.config import DATASETS

    first_error: UserError | None = None
    for name in _candidates(config.networks) if dataset == AUTO else (dataset,):
        try:
            return page(config.model_copy(update={"dataset": name, "device": "cpu"}), DATASETS.get(name))
        except UserError as error:
            first_error = first_error or error
    assert first_error is not None  # at least one dataset is registered
    raise first_error


def _candidates(networks: str) -> list[str]:
    """Return all registered datasets, the most suitable ones for the networks first."""
    from bench.core.config import DATASETS, NETWORKS
    from bench.data.catalog import PREFERRED

    kinds = next((getattr(backbone, "kinds", ()) for name, backbone in NETWORKS if name == networks), ())
    return sorted(DATASETS.names(), key=lambda name: (DATASETS.get(name).spec.kind != next(iter(kinds), "image"), name != PREFERRED))
