"""Draw generated points over the true modes of a mixture as a picture."""

from __future__ import annotations

import io
from dataclasses import dataclass

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from bench.core.spec import Dataset, Mixture

SIDE = 320  # pixels
FINER = 4  # drawing scale. Shrinking the picture smooths the edges
DOT = 1.2  # pixels, radius of a point
SDS = 3.0  # radius of a mode's circle: 98.9 % of a round Gaussian's points lie within
MARGIN = 0.3  # around the data, as a share of its half width
COLOURS = 64  # a third of the bytes, without a visible difference
PAPER, INK, MODE = (255, 255, 255), (31, 95, 168, 110), (214, 84, 31)


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The square of the plane that a picture covers."""

    x: float  # its centre
    y: float
    half: float  # half its side

    def pixels(self, points: Tensor) -> Tensor:
        """Convert points [n, 2] to pixels (right, down) of the final picture. Points outside it move to its edge."""
        shares = (points.double() - torch.tensor([self.x, self.y])) / (2.0 * self.half) + 0.5
        shares[:, 1] = 1.0 - shares[:, 1]  # rows count downwards
        return shares.clamp(0.0, 1.0) * SIDE


def frame_of(dataset: Dataset) -> Frame:
    """Return the frame for all pictures of this dataset."""
    around = dataset.centres if isinstance(dataset, Mixture) else dataset.split("train").data
    low, high = around[:, :2].amin(dim=0).double(), around[:, :2].amax(dim=0).double()
    middle = (low + high) / 2.0
    half = float((high - low).max()) / 2.0 * (1.0 + MARGIN)
    return Frame(x=float(middle[0]), y=float(middle[1]), half=half or 1.0)


def scatter_png(points: Tensor, dataset: Dataset) -> bytes:
    """Draw points [n, 2] as PNG bytes, for a mixture with circles of 3 standard deviations around the true centres.

    Draws points outside the frame on its edge, and skips points that are not finite.
    """
    frame = frame_of(dataset)
    picture = Image.new("RGB", (SIDE * FINER, SIDE * FINER), PAPER)
    draw = ImageDraw.Draw(picture, "RGBA")
    points = points[:, :2].float().cpu()
    for right, down in frame.pixels(points[points.isfinite().all(dim=1)]).tolist():
        draw.ellipse(_box(right, down, DOT), fill=INK)
    if isinstance(dataset, Mixture):
        radius = SDS * dataset.sd / (2.0 * frame.half) * SIDE
        for right, down in frame.pixels(dataset.centres).tolist():
            draw.ellipse(_box(right, down, radius + 1.0), outline=MODE, width=FINER)  # outside the circle, not over its points
    buffer = io.BytesIO()
    small = picture.resize((SIDE, SIDE), Image.Resampling.BOX).quantize(COLOURS, dither=Image.Dither.NONE)
    small.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _box(right: float, down: float, radius: float) -> tuple[float, float, float, float]:
    return FINER * (right - radius), FINER * (down - radius), FINER * (right + radius), FINER * (down + radius)
