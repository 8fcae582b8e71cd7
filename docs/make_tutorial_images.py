"""Write the pictures of docs/gan-tutorial.md from the sample grids of recorded runs, enlarged and side by side.

Run it in the folder with the results of the page's commands:

    python PATH/docs/make_tutorial_images.py
"""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
from PIL import Image

from bench.tracking.results import FINAL_GRID, INTERPOLATION, NEAREST, Results, load
from bench.tracking.store import tracking_uri

FOLDER = Path(__file__).parent / "images" / "tutorial"
GAP = 10  # pixels between two pictures


def run_of(runs: pd.DataFrame, variant: str) -> str:
    """Return the id of the run of a variant with seed 0."""
    return str(runs.loc[(runs["variant"] == variant) & (runs["seed"] == 0), "run_id"].iloc[0])


def picture(results: Results, run_id: str, path: str, factor: float) -> Image.Image:
    """Return a picture of a run, enlarged without smoothing, or reduced."""
    content = results.read(run_id, path)
    if content is None:
        raise SystemExit(f"the run {run_id} has no {path}: run the commands of docs/gan-tutorial.md first")
    image = Image.open(io.BytesIO(content)).convert("RGB")
    method = Image.Resampling.NEAREST if factor > 1 else Image.Resampling.LANCZOS
    return image.resize((int(image.width * factor), int(image.height * factor)), method)


def row(pictures: list[Image.Image]) -> Image.Image:
    """Return one picture with all pictures from left to right."""
    joined = Image.new("RGB", (sum(one.width + GAP for one in pictures) - GAP, max(one.height for one in pictures)), "white")
    left = 0
    for one in pictures:
        joined.paste(one, (left, 0))
        left += one.width + GAP
    return joined


def grids(results: Results, run_id: str, factor: float) -> Image.Image:
    """Return the sample grids of a run through training."""
    paths = [path for _, path in results.grids(run_id)]
    return row([picture(results, run_id, path, factor) for path in [*paths, FINAL_GRID]])


def main() -> None:
    """Write all pictures."""
    digits, points = load(tracking_uri(), ["smoke"]), load(tracking_uri(), ["modes"])
    image_run, point_run = run_of(digits.runs, "ns-gan"), run_of(points.runs, "gan-2d")
    found = {
        "progress": grids(digits, image_run, 2),
        "interpolation": picture(digits, image_run, INTERPOLATION, 6),
        "nearest": picture(digits, image_run, NEAREST, 4),
        "modes": grids(points, point_run, 0.5),
    }
    for name, image in found.items():
        image.quantize(128).save(FOLDER / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
