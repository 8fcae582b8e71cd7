"""External samples in a folder of image files, read as uint8 [n, C, H, W]. Nothing is scaled, cut or made opaque."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from bench.core.errors import UserError
from bench.core.text import pluralise
from bench.data.folder.layout import SUFFIXES
from bench.data.folder.name import quoted
from bench.data.folder.pixels import opened
from bench.evaluation.external_images import Wanted

log = logging.getLogger(__name__)

HEAD_BYTES = 2**16  # enough to tell how a file is compressed
PNG_DEPTH = 24  # offset of the bits per channel in a PNG: Pillow reads 16-bit colour as 8-bit without a warning
MODES = ("1", "L", "P", "RGB")
JPEGS = ("JPEG", "MPO")  # Pillow's name of a JPEG with a preview behind it, as phones write it


def read_folder(path: Path, wanted: Wanted) -> Tensor:
    """The images of a folder, in the order of their names, as grey or RGB as the data is."""
    files = _image_files(path)
    wanted.check_count(len(files))
    read = [_read(file, wanted) for file in files]
    images, lossy_count = torch.stack([image for image, _ in read]), sum(is_lossy for _, is_lossy in read)
    wanted.check_values(images, is_float=False)
    if lossy_count:
        log.warning(
            "%d of the %d images in the folder %s are JPEG or lossy WebP, whose compression changes FID and most other numbers: measure PNG files "
            "if you can", lossy_count, len(files), quoted(path),
        )  # fmt: skip
    return images


def _image_files(path: Path) -> list[Path]:
    """The image files directly in a folder; what else it holds is logged. Hidden files do not count."""
    try:
        entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise UserError(f"the folder {quoted(path)} cannot be read: {error.strerror or error}") from error
    files = [entry for entry in entries if entry.name.lower().endswith(SUFFIXES)]
    others = [entry for entry in entries if entry not in set(files)]
    folder_count = sum(entry.is_dir() for entry in others)
    ignored = [pluralise(folder_count, "sub-folder")] if folder_count else []
    ignored += [pluralise(len(others) - folder_count, "file") + " of other kinds"] if len(others) > folder_count else []
    odd = next((file for file in files if not file.is_file()), None)
    if odd is not None:
        raise UserError(f"{quoted(odd)} is no plain file")
    if not files:
        holds = f"; it holds {' and '.join(ignored)}" if ignored else ""
        advice = ", which are not searched: name one of them" if folder_count else ""
        kinds = ", ".join(suffix[1:] for suffix in SUFFIXES)
        raise UserError(f"there are no images in the folder {quoted(path)} ({kinds}){holds}{advice}")
    if ignored:
        log.warning("the folder %s: %s read, %s ignored", quoted(path), pluralise(len(files), "image"), " and ".join(ignored))
    return files


def _read(file: Path, wanted: Wanted) -> tuple[Tensor, bool]:
    """One image uint8 [C, H, W], and whether its compression has changed it."""
    head = _head(file)
    if head.startswith(b"\x89PNG") and head[PNG_DEPTH : PNG_DEPTH + 1] == bytes([16]):
        raise UserError(f"the image {quoted(file)} has 16 bits a channel: give 8-bit grey or RGB without transparency")
    with opened(file) as image:
        image.verify()  # the checksums of a PNG: one cut short may decode without an error
    with opened(file) as image:
        ImageOps.exif_transpose(image, in_place=True)
        _check(image, file, wanted)
        is_lossy = image.format in JPEGS or (image.format == "WEBP" and not is_lossless_webp(head))
        pixels = np.array(image.convert("L" if wanted.shape[0] == 1 else "RGB"))
    tensor = torch.from_numpy(pixels)
    return (tensor.unsqueeze(0) if tensor.ndim == 2 else tensor.permute(2, 0, 1).contiguous()), is_lossy


def _head(file: Path) -> bytes:
    try:
        with file.open("rb") as content:
            return content.read(HEAD_BYTES)
    except OSError as error:
        raise UserError(f"cannot read the image {quoted(file)} ({error.strerror or error})") from error


def is_lossless_webp(head: bytes) -> bool:
    """Whether the first bytes of a WebP file say that its image is compressed without loss; False where they do not reach it."""
    at = 12  # behind RIFF, the size and WEBP, the file is a list of chunks: name, size, content, padded to an even length
    while at + 8 <= len(head):
        name, size = head[at : at + 4], int.from_bytes(head[at + 4 : at + 8], "little")
        if name in (b"VP8 ", b"VP8L"):
            return name == b"VP8L"
        at += 8 + size + size % 2
    return False


def _check(image: Image.Image, file: Path, wanted: Wanted) -> None:
    channels, height, width = wanted.shape
    if channels not in (1, 3):
        raise UserError(f"{wanted.dataset} has {channels} channels, which an image file cannot have: give an .npz file")
    if image.size != (width, height):
        raise UserError(f"the image {quoted(file)} is {image.width}x{image.height}, and {wanted.dataset} has {width}x{height}")
    if getattr(image, "is_animated", False) and image.format not in JPEGS:
        raise UserError(f"the image {quoted(file)} is an animation: give one image a file")
    if image.mode not in MODES or "transparency" in image.info:
        kind = f"{image.mode} with transparency" if "transparency" in image.info else image.mode
        raise UserError(f"the image {quoted(file)} is {kind}: give 8-bit grey or RGB without transparency")
