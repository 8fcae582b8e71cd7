"""Image files to bytes: what a header says, and one image decoded, turned upright, cut square and scaled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from bench.errors import UserError, one_line

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
Crop = Literal["center", "none"]
_GREY_MODES = ("1", "L", "LA", "La", "I")


@dataclass(frozen=True, kw_only=True)
class Header:
    """What is known of an image before it is decoded."""

    width: int
    height: int
    grey: bool


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """An image file, open while the block runs; whatever goes wrong in it is a UserError that names the file."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            yield image
    except PermissionError as error:
        raise UserError(f"cannot read the image {str(path)!r} ({error.strerror or error})") from error
    except MemoryError:
        raise
    except Exception as error:  # the decoders raise OSError, SyntaxError, ValueError, EOFError, struct.error, ...
        reason = one_line(error).replace(" " + repr(str(path)), "")
        raise UserError(f"the image {str(path)!r} is broken ({reason or type(error).__name__}): mend or remove it") from error


def header(path: Path) -> Header:
    """Size and colour of an image, from its first bytes."""
    with opened(path) as image:
        return Header(width=image.width, height=image.height, grey=image.mode in _GREY_MODES or image.mode.startswith("I;16"))


def pixels(path: Path, *, size: int, crop: Crop, channels: int) -> NDArray[np.uint8]:
    """One image as uint8 [channels, size, size]; of an animation the first frame.

    `center` keeps the largest square in the middle, `none` squeezes the whole image into the square. Scaling is Pillow's
    LANCZOS, whose support grows with the reduction (so it is antialiased, unlike torch's default; Parmar et al. 2022,
    arXiv 2104.11222); it is also what StyleGAN's and EDM's dataset tools use, and unlike BOX it makes no blocks of a small
    image. An image that has the size already is not touched.
    """
    with opened(path) as image:
        upright = _eight_bits(ImageOps.exif_transpose(image), "L" if channels == 1 else "RGB")
    if crop == "center":
        side = min(upright.size)
        left, top = (upright.width - side) // 2, (upright.height - side) // 2
        upright = upright.crop((left, top, left + side, top + side))
    if upright.size != (size, size):
        upright = upright.resize((size, size), Image.Resampling.LANCZOS)
    array = np.asarray(upright, dtype=np.uint8)
    return array[None] if channels == 1 else np.ascontiguousarray(array.transpose(2, 0, 1))


def _eight_bits(image: Image.Image, mode: str) -> Image.Image:
    """The image in 8 bits a channel, what is transparent over white."""
    if image.mode == "I" or image.mode.startswith("I;16"):  # 16-bit grey, which Pillow's own conversion would clip to white
        wide = np.asarray(image).astype(np.int64).clip(0, 65_535)
        image = Image.fromarray(((wide + 128) // 257).astype(np.uint8))
    if image.has_transparency_data:
        seen = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen)
    return image.convert(mode)
