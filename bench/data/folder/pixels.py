"""Functions that read the header of an image file, or decode it, turn it upright, crop it to a square and scale it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from bench.core.errors import UserError, one_line

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
MOST_PIXELS = 2**28  # of one image, e.g. 16,384 x 16,384: decoding takes 1 GB, or up to 4 GB if it is transparent
_LARGE_PIXELS = 2**26  # images above this are decoded one at a time, so that threads do not multiply their memory
Crop = Literal["center", "none"]
Half = Literal["", "left", "right"]  # of a picture that shows a pair side by side; empty: the whole picture
_GREY_MODES = ("1", "L", "LA", "La", "I")


@dataclass(frozen=True, kw_only=True)
class Header:
    """Size and colour of an image, from its header."""

    width: int
    height: int
    grey: bool


class _PillowLimitLifted:
    """Context manager that lifts Pillow's limit on pixels, which is global to the process, while any thread is in the block."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._limit: int | None = None

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                Image.MAX_IMAGE_PIXELS = self._limit


_pillow_limit_lifted = _PillowLimitLifted()
_large_image_lock = threading.Lock()


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Context manager that opens an image file. Any error in the block becomes a UserError that names the file."""
    try:
        with _pillow_limit_lifted, Image.open(path, formats=FORMATS) as image:
            _check_pixels(image, path)
            yield image
    except PermissionError as error:
        raise UserError(f"cannot read the image {str(path)!r} ({error.strerror or error}): make it readable") from error
    except (MemoryError, UserError):
        raise
    except Exception as error:  # the decoders raise OSError, SyntaxError, ValueError, EOFError, struct.error, ...
        reason = one_line(error).replace(" " + repr(str(path)), "")
        raise UserError(f"the image {str(path)!r} is broken ({reason or type(error).__name__}): repair or remove it") from error


def _check_pixels(image: Image.Image, path: Path) -> None:
    pixels_ = image.width * image.height
    if pixels_ > MOST_PIXELS:
        raise UserError(
            f"the image {str(path)!r} has {pixels_:,} pixels ({image.width}x{image.height}), and the limit is {MOST_PIXELS:,}: "
            "scale it down or cut it into pieces first"
        )


@contextmanager
def _bounded_memory(image: Image.Image) -> Iterator[None]:
    """Context manager that lets one thread at a time decode a large image."""
    if image.width * image.height <= _LARGE_PIXELS:
        yield
    else:
        with _large_image_lock:
            yield


def header(path: Path) -> Header:
    """Read the header of an image."""
    with opened(path) as image:
        return Header(width=image.width, height=image.height, grey=image.mode in _GREY_MODES or image.mode.startswith("I;16"))


def pixels(path: Path, *, size: int, crop: Crop, channels: int, half: Half = "") -> NDArray[np.uint8]:
    """Return one image, or the first frame of an animation, or one half of it, as uint8 [channels, size, size].

    `center` crops to the largest square in the middle. `none` scales the complete image to the square. Scaling is Pillow's LANCZOS,
    which is antialiased, unlike torch's default (Parmar et al. 2022, arXiv 2104.11222). StyleGAN's and EDM's dataset tools use it, too.
    Unlike BOX it does not enlarge pixels to blocks. An image of the right size is not scaled.
    """
    with opened(path) as image, _bounded_memory(image):
        ImageOps.exif_transpose(image, in_place=True)
        part = _half_of(image, half) if half else image
        scaled = _eight_bits(_middle_square(part) if crop == "center" else part, "L" if channels == 1 else "RGB")
        if scaled.size != (size, size):
            scaled = scaled.resize((size, size), Image.Resampling.LANCZOS)
        array = np.asarray(scaled, dtype=np.uint8)
    return array[None] if channels == 1 else np.ascontiguousarray(array.transpose(2, 0, 1))


def _half_of(image: Image.Image, half: Half) -> Image.Image:
    middle = image.width // 2
    return image.crop((0, 0, middle, image.height) if half == "left" else (middle, 0, image.width, image.height))


def _middle_square(image: Image.Image) -> Image.Image:
    if image.width == image.height:
        return image
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def _eight_bits(image: Image.Image, mode: str) -> Image.Image:
    """Return the image in 8 bits a channel. Transparent images get a white background."""
    if image.mode == "I" or image.mode.startswith("I;16"):  # 16-bit grey, which Pillow's conversion clips to white
        wide = np.asarray(image).astype(np.int64).clip(0, 65_535)
        image = Image.fromarray(((wide + 128) // 257).astype(np.uint8))
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return image if image.mode == mode else image.convert(mode)
