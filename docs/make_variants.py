"""docs/variants.md and its pictures: what each variant is, and what it did in a recorded suite.

    ganbench suite catalogue
    python docs/make_variants.py

What a variant is comes from the registry, what it did from the store (MLFLOW_TRACKING_URI, else ./mlflow.db). Every registered variant
has its section; one that the suite has not says so.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from statistics import fmean

import pandas as pd
from PIL import Image

from bench.cli.variant_page import changed, number, paper_link
from bench.core.atomic_files import write_atomic
from bench.core.config import VARIANTS
from bench.core.spec import Variant
from bench.metrics.cards import HEADLINE, card
from bench.tracking import results, store
from reports.cohort import settings_of
from variants.formulas import symbols

DOCS = Path(__file__).parent
PAGE, PICTURES = DOCS / "variants.md", DOCS / "images" / "variants"
MORE = ("modes/class_accuracy", "quality/intra_fid_classifier")  # of conditional models
ROWS = 3  # of a grid of 8, in a picture
SAID = ("loss",)  # numbers of a recipe that its formula says


@dataclass(frozen=True, kw_only=True)
class Suite:
    """What a suite recorded."""

    name: str
    found: results.Results

    def runs(self, variant: str) -> pd.DataFrame:
        """The runs of a variant on images, one row a seed."""
        runs = self.found.runs
        return runs[(runs["kind"] == "run") & (runs["variant"] == variant) & (runs["headline"] == HEADLINE)].sort_values("seed")

    def reference(self, kind: str) -> float:
        """The headline of the row `real` or `untrained`."""
        runs = self.found.runs
        return float(runs[(runs["kind"] == "reference") & (runs["variant"] == kind)][HEADLINE].iloc[0])


def page(suite: Suite) -> str:
    """docs/variants.md."""
    entries = list(VARIANTS)
    families = [(family, [name for name, _ in group]) for family, group in groupby(entries, key=lambda entry: entry[1].family)]
    return "\n".join([*_head(suite, families), *(line for name, variant in entries for line in _section(suite, name, variant))])


def _head(suite: Suite, families: Sequence[tuple[str, Sequence[str]]]) -> Iterator[str]:
    seeds = suite.found.runs.query("kind == 'run'")["seed"].nunique()
    yield "# Variants\n"
    yield f"Made by `ganbench suite {suite.name} && python docs/make_variants.py --suite {suite.name}`; a test holds it to the registry. `ganbench show NAME` prints one of them whole.\n"
    yield (
        f"Classifier-FID is that of the suite `{suite.name}` on Fashion-MNIST ({'one seed' if seeds == 1 else f'{seeds} seeds, mean'}; lower is better): a budget of minutes, narrow networks and no search. "
        f"It tells that a variant trains, and no more: an untrained generator has {suite.reference('untrained'):.1f}, real training images {suite.reference('real'):.2f}. "
        "Which is better at your budget is what a suite of several seeds, or a study, tells. "
        f"In formulas {symbols()}.\n"
    )
    for family, names in families:
        yield f"## {family or 'Others'}\n"
        yield "| variant | idea | classifier-FID |"
        yield "|---|---|---|"
        for name in names:
            runs = suite.runs(name)
            yield f"| [{name}](#{name}) | {VARIANTS.get(name).idea} | {_figure(runs, HEADLINE)} |"
        yield ""


def _section(suite: Suite, name: str, variant: Variant) -> Iterator[str]:
    said, *listed = facts(variant)
    yield f"### {name}\n"
    yield f"{said}\n"
    yield from listed
    yield from _measured(suite, name)
    yield ""


def facts(variant: Variant) -> list[str]:
    """What the registry says of a variant, in lines."""
    lines = [
        f"{variant.idea[0].upper()}{variant.idea[1:]}. {_paper(variant.paper)}{_also(variant)}",
        f"- **Loss**: {variant.objective(variant.recipe).formula}",
        f"- **Networks**: `{variant.networks}`",
        f"- **Numbers**: {_numbers(variant)}",
    ]
    return [*lines, *([f"- **Differs**: {variant.note}"] if variant.note else [])]


def _measured(suite: Suite, name: str) -> Iterator[str]:
    runs = suite.runs(name)
    if runs.empty:
        yield f"- **Measured**: not in the suite `{suite.name}`"
        return
    more = "".join(f", {card(key).title} {_figure(runs, key)}" for key in MORE if key in runs and runs[key].notna().any())
    ways = settings_of(runs["overrides"].iloc[0])
    changed = ", ".join(f"`{path}={value}`" for path, value in ways.items() if path.startswith(("recipe.", "networks")))
    yield f"- **Measured**: classifier-FID {_figure(runs, HEADLINE)}{more}{f' with {changed}' if changed else ''}"
    if _picture_of(suite, str(runs["run_id"].iloc[0])) is not None:
        yield f"\n![Samples of {name}](images/variants/{name}.png)"


def pictures(suite: Suite) -> Iterator[tuple[Path, bytes]]:
    """The first rows of the final grid of each variant's lowest seed."""
    for name, _ in VARIANTS:
        runs = suite.runs(name)
        content = None if runs.empty else _picture_of(suite, str(runs["run_id"].iloc[0]))
        if content is not None:
            yield PICTURES / f"{name}.png", content


def _picture_of(suite: Suite, run_id: str) -> bytes | None:
    path = suite.found.artifact(run_id, results.FINAL_GRID)
    if path is None:
        return None
    with Image.open(path) as grid:
        side = (grid.height - 1) // 8
        buffer = io.BytesIO()
        grid.crop((0, 0, grid.width, 1 + ROWS * side)).resize((2 * grid.width, 2 * (1 + ROWS * side)), Image.Resampling.NEAREST).save(
            buffer, format="PNG", optimize=True
        )
    return buffer.getvalue()


def _figure(runs: pd.DataFrame, key: str) -> str:
    values = [float(value) for value in runs[key].dropna()] if key in runs else []
    if not values:
        return "–"
    return f"{fmean(values):#.3g}".removesuffix(".")


def _paper(paper: str) -> str:
    link = paper_link(paper)
    return f"[{paper}]({link})" if link else paper


def _also(variant: Variant) -> str:
    named = f" Also `{'`, `'.join(variant.aliases)}`." if variant.aliases else ""
    return named + (" Needs labels." if variant.needs_labels else "")


def _numbers(variant: Variant) -> str:
    """The numbers of the recipe in which it differs from the defaults of its kind, and the learning rates."""
    recipe = variant.recipe
    always = [name for name in ("batch_size", "lr_g", "lr_d", "k") if name in type(recipe).model_fields]
    named = dict.fromkeys([*always, *(name for name in changed(recipe) if name not in SAID)])
    return ", ".join(f"`{name}` {number(getattr(recipe, name))}" for name in named)


def main() -> None:
    """Write the page and its pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", default="catalogue")
    suite = parser.parse_args().suite
    found = Suite(name=suite, found=results.load(store.tracking_uri(None), (suite,)))
    PICTURES.mkdir(parents=True, exist_ok=True)
    for path, content in pictures(found):
        write_atomic(path, content)
    write_atomic(PAGE, page(found).encode())


if __name__ == "__main__":
    main()
