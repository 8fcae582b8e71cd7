"""Draw docs/images/headline.png: images of each kind beside their distances in distances.csv, in the order of the reference.

python docs/headline/measure.py     # stores the images
python docs/headline/picture.py
"""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import torch
from judge import BUDGET, CHOOSE, TABLE, TEACHER
from measure import CACHE, DATA, ImageSet
from torch import Tensor
from torchvision.utils import make_grid

PICTURE = Path(__file__).parents[1] / "images" / "headline.png"
COLUMNS = {TEACHER: "photo-FID\n(reference)", "distilled": "distilled FID", "classifier": "classifier-FID"}
STRIP = 12  # images of each kind
OTHERS = (
    ("reference", "real", 0.0, "test images"),
    ("planted", "blur", 1.0, "blur of 1 pixel"),
    ("reference", "untrained", 0.0, "untrained"),
)


def main() -> None:
    """Draw a row for each kind of images."""
    table = pd.read_csv(TABLE)
    table = table[table["dataset"] == DATA[0]]
    chosen = [("generator", name, 0.0, name) for name in CHOOSE] + list(OTHERS)
    rows = sorted(((_distances(table, *which[:3]), which) for which in chosen), key=lambda row: row[0][TEACHER])
    ranks = pd.DataFrame([distances for distances, _ in rows])[list(COLUMNS)].rank().astype(int).reset_index(drop=True)
    figure, axes = plt.subplots(len(rows), 1, figsize=(11, 0.62 * len(rows) + 0.8), gridspec_kw={"hspace": 0.12})
    figure.subplots_adjust(left=0.16, right=0.66, top=0.93, bottom=0.01)
    for at, (axis, (distances, which)) in enumerate(zip(axes, rows, strict=True)):
        axis.imshow(_strip(*which[:3]), interpolation="nearest", aspect="auto")
        axis.axis("off")
        axis.text(-0.02, 0.5, which[3], transform=axis.transAxes, ha="right", va="center")
        for column, name in enumerate(COLUMNS):
            moved = abs(ranks[name][at] - ranks[TEACHER][at]) >= 3
            words = f"{distances[name]:,.4g}   ({ranks[name][at]})"
            axis.text(
                1.18 + 0.22 * column, 0.5, words, transform=axis.transAxes, ha="right", va="center", weight="bold" if moved else "normal"
            )
    for column, title in enumerate(COLUMNS.values()):
        axes[0].text(1.18 + 0.22 * column, 1.25, title, transform=axes[0].transAxes, ha="right", va="bottom", fontsize=9)
    figure.savefig(PICTURE, dpi=110)
    print(f"wrote {PICTURE}")


def _distances(table: pd.DataFrame, kind: str, name: str, severity: float) -> pd.Series:
    """Return the distance by each candidate."""
    rows = table[(table["kind"] == kind) & (table["name"] == name) & (table["severity"] == severity)]
    if kind == "generator":
        rows = rows[rows["budget"] == BUDGET]
    return rows.set_index("candidate")["distance"]


def _strip(kind: str, name: str, severity: float) -> Tensor:
    """Return images of a kind side by side, uint8 [H, W, 3]."""
    budget = BUDGET if kind == "generator" else 0
    key = ImageSet(dataset=DATA[0], kind=kind, name=name, images=torch.empty(0), budget=budget, severity=severity).key
    images: Tensor = torch.load(CACHE / f"{key}.pt", weights_only=True)
    return make_grid(images[:STRIP], nrow=STRIP, padding=1).permute(1, 2, 0)


if __name__ == "__main__":
    main()
