"""Names of images in the form of MLflow's `log_image` (3.17), whose pages show a slider over their steps. Does not import torch.

`log_image` puts a random id and a timestamp into a name, so a repeated write would create a second image. This module derives the id from the
run id, the key and the step. The timestamp is the start of the run. So a run that resumes overwrites its images, unless its budget
is in seconds: then it reaches the same point of training at another step.

MLflow reads all files in `images/`, and one other file there would hide them all.
"""

from __future__ import annotations

import io
import re
import uuid
from collections.abc import Iterable

from PIL import Image

FOLDER = "images"
TAG = {"mlflow.loggedImages": "True"}  # of a run with images
LAST = "last_image"  # tag with the step of a run's newest image
SAMPLES = "samples"  # key of the sample grids
SIDE = 256  # pixels of the longer side of a copy for MLflow's pages, at most
NAME = re.compile(r"(?P<key>[\w. -]+)\+step\+(?P<step>[0-9]{1,15})\+timestamp\+[0-9]+\+[0-9a-f-]{36}\.png", re.ASCII)


def image_files(run_id: str, key: str, step: int, png: bytes, *, started: int) -> dict[str, bytes]:
    """Return the artifacts of an image by path: the PNG, and a copy for MLflow's pages. `started` is the start of the run in ms since 1970."""
    name = f"{FOLDER}/{key}+step+{step}+timestamp+{started}+{uuid.uuid5(uuid.UUID(run_id), f'{key} {step}')}"
    return {f"{name}.png": png, f"{name}+compressed.webp": _page_copy(png)}


def steps_of(paths: Iterable[str], key: str) -> list[tuple[int, str]]:
    """Return the steps and paths of the images with a key, in the order of steps."""
    names = [(NAME.fullmatch(path.rpartition("/")[2]), path) for path in paths]
    return sorted((int(match["step"]), path) for match, path in names if match and match["key"] == key)


def _page_copy(png: bytes) -> bytes:
    """Return a PNG as a lossless WebP with sides of at most SIDE pixels. A small image is enlarged by a whole factor, without smoothing."""
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        times = SIDE // max(image.size)
        copy = image.resize((times * image.width, times * image.height), Image.Resampling.NEAREST) if times > 1 else image.copy()
    copy.thumbnail((SIDE, SIDE))
    copy.save(buffer, format="WEBP", lossless=True)
    return buffer.getvalue()
