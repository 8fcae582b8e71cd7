"""Read a folder of external images as uint8 [n, C, H, W], without scaling, cropping or removing transparency."""

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
from bench.evaluation.external_images import ImageRequirements

log = logging.getLogger(__name__)

HEAD_BYTES = 2**16  # enough bytes to detect the compression
PNG_DEPTH = 24  # offset of the bits per channel in a PNG file: Pillow silently reads 16-bit colour as 8-bit
MODES = ("1", "L", "P", "RGB")
JPEGS = ("JPEG", "MPO")  # MPO: Pillow's name for a JPEG with a preview, as phones write it


def read_folder(path: Path, wanted: ImageRequirements) -> Tensor:
    """Read the images of a folder, sorted by name, as grey or RGB uint8 [n, C, H, W] like the dataset. Raises UserError."""
    files = _image_files(path)
    wanted.check_count(len(files))
    read = [_read(file, wanted) for file in files]
    images, lossy_count = torch.stack([image for image, _ in read]), sum(is_lossy for _, is_lossy in read)
    wanted.check_values(images, is_float=False)
    if lossy_count:
        log.warning(
            "%d of the %d images in the folder %s are JPEG or lossy WebP: compression changes FID and most other metrics; use PNG files "
            "if you can", lossy_count, len(files), quoted(path),
        )  # fmt: skip
    return images


def _image_files(path: Path) -> list[Path]:
    """List the image files in a folder, without its sub-folders. Logs other entries and skips hidden files."""
    try:
        entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise UserError(f"the folder {quoted(path)} cannot be read: {error.strerror or error}; check its permissions") from error
    files = [entry for entry in entries if entry.name.lower().endswith(SUFFIXES)]
    others = [entry for entry in entries if entry not in set(files)]
    folder_count = sum(entry.is_dir() for entry in others)
    ignored = [pluralise(folder_count, "sub-folder")] if folder_count else []
    ignored += [pluralise(len(others) - folder_count, "file") + " of other kinds"] if len(others) > folder_count else []
    odd = next((file for file in files if not file.is_file()), None)
    if odd is not None:
        raise UserError(f"{quoted(odd)} is not a plain file: remove it from the folder")
    if not files:
        holds = f"; it contains {' and '.join(ignored)}" if ignored else ""
        advice = " (sub-folders are not searched: name one of them)" if folder_count else ""
        kinds = ", ".join(suffix[1:] for suffix in SUFFIXES)
        raise UserError(f"no images in the folder {quoted(path)} ({kinds}){holds}{advice}")
    if ignored:
        log.warning("the folder %s: %s read, %s ignored", quoted(path), pluralise(len(files), "image"), " and ".join(ignored))
    return files


def _read(file: Path, wanted: ImageRequirements) -> tuple[Tensor, bool]:
    """Read one image uint8 [C, H, W]. Also returns whether its compression is lossy."""
    head = _head(file)
    if head.startswith(b"\x89PNG") and head[PNG_DEPTH : PNG_DEPTH + 1] == bytes([16]):
        raise UserError(f"the image {quoted(file)} has 16 bits a channel: use 8-bit grey or RGB without transparency")
    with opened(file) as image:
        image.verify()  # checks the checksums of a PNG: a truncated file may decode without an error
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
        raise UserError(f"cannot read the image {quoted(file)} ({error.strerror or error}): check the file") from error


def is_lossless_webp(head: bytes) -> bool:
    """Return whether the head of a WebP file declares lossless compression. Returns False if the head is too short."""
    at = 12  # after RIFF, size and WEBP come chunks: name, size, content, padded to an even length
    while at + 8 <= len(head):
        name, size = head[at : at + 4], int.from_bytes(head[at + 4 : at + 8], "little")
        if name in (b"VP8 ", b"VP8L"):
            return name == b"VP8L"
        at += 8 + size + size % 2
    return False


def _check(image: Image.Image, file: Path, wanted: ImageRequirements) -> None:
    channels, height, width = wanted.shape
    if channels not in (1, 3):
        raise UserError(f"{wanted.dataset} has {channels} channels, which an image file cannot have: use an .npz file")
    if image.size != (width, height):
        raise UserError(
            f"the image {quoted(file)} is {image.width}x{image.height}, and {wanted.dataset} has {width}x{height}: use images of that size"
        )
    if getattr(image, "is_animated", False) and image.format not in JPEGS:
        raise UserError(f"the image {quoted(file)} is an animation: use one file for each image")
    if image.mode not in MODES or "transparency" in image.info:
        kind = f"{image.mode} with transparency" if "transparency" in image.info else image.mode
        raise UserError(f"the image {quoted(file)} is {kind}: use 8-bit grey or RGB without transparency")
