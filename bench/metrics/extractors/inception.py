"""The extractor `inception`: torch-fidelity's InceptionV3 with the features of the published FID. The package does not include its weights.

torch-fidelity unpickles the weights, and a pickle can run any code. For this reason, ganbench never calls its loader. It checks the
hash of the file and reads only tensors from it.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from bench.core.config import Resize, short_hash
from bench.core.errors import UserError, one_line
from bench.core.spec import Dataset
from bench.data import sources
from bench.data.cache import locked, write_atomic
from bench.metrics.extractors.base import INCEPTION, Features, check_images, joined

log = logging.getLogger(__name__)

VARIABLE = "GANBENCH_INCEPTION_WEIGHTS"
URL = "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"
FILE = URL.rpartition("/")[2]
SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
SIZE_BYTES = 95_628_359
BATCH = 16  # images of 299 pixels. A larger batch needs more memory for activations
FEATURES = ("2048", "logits_unbiased")  # of FID, and of the inception score
SIDE = 299  # pixels: images are scaled to it
WIDTH = 2_048  # features
LAYERS = (
    "Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "MaxPool_1", "Conv2d_3b_1x1", "Conv2d_4a_3x3", "MaxPool_2", "Mixed_5b", "Mixed_5c", "Mixed_5d",
    "Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e", "Mixed_7a", "Mixed_7b", "Mixed_7c", "AvgPool",
)  # fmt: skip  # of torch-fidelity's network, which would resize the images itself, in one way only


class InceptionExtractor:
    """Extractor with torch-fidelity's InceptionV3 of 2015: 2,048 features, 1,008 logits without bias. Repeats a grey channel.

    `resize`: how to scale images to 299 pixels (`resized`). It is a part of the extractor's identity.
    """

    name = INCEPTION

    def __init__(self, weights: Path, dataset: Dataset, resize: Resize = "tensorflow") -> None:
        self._weights = weights
        self._dataset = dataset
        self._resize = resize
        self.weights_hash = SHA256 if resize == "tensorflow" else short_hash({"weights": SHA256, "resize": resize})

    def __call__(self, images: Tensor, *, batch_size: int = BATCH) -> Features:
        """Return features and logits of uint8 images [N, C, H, W], scaled to 299 pixels."""
        self.check(images)
        network = _network(self._weights, _stamp(self._weights))
        parts = []
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            for batch in images.split(batch_size):
                x = (resized(batch, self._resize).expand(-1, 3, -1, -1) - 128) / 128
                for layer in LAYERS:
                    x = getattr(network, layer)(x)
                features = x.flatten(1)
                parts.append(Features(features=features, logits=features.mm(network.fc.weight.T)))
        return joined(parts)

    def check(self, images: Tensor) -> None:
        """Raise a UserError unless the extractor supports these images."""
        check_images(images, self._dataset.spec.shape, self._dataset.name)


def resized(images: Tensor, resize: Resize) -> Tensor:
    """Return images uint8 [N, C, H, W] as float32 [N, C, 299, 299] in 0..255.

    `tensorflow`: bilinear, as TensorFlow 1 in the published FID (Heusel et al. 2017), which aliases larger images. `clean`: bicubic
    with antialiasing in floats, as Pillow, then clamped: clean-fid (Parmar et al. 2022, arXiv 2104.11222).
    """
    if resize == "clean":  # in float64: float32 is off by up to 3e-3 grey levels
        scaled = interpolate(images.double(), size=(SIDE, SIDE), mode="bicubic", antialias=True)
        return scaled.float().clamp(0, 255)
    from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

    scaled = interpolate_bilinear_2d_like_tensorflow1x(images.float(), size=(SIDE, SIDE), align_corners=False)
    return scaled


def load_inception(dataset: Dataset, resize: Resize = "tensorflow") -> InceptionExtractor:
    """Return the extractor for a dataset. Raises UserError if the weights are missing, or unless images have 1 or 3 channels."""
    channels = dataset.spec.shape[0]
    if channels not in (1, 3):
        raise UserError(
            f"images of {dataset.name} have {channels} channels, and Inception takes grey or RGB images: omit --inception-weights and evaluation.inception"
        )
    return InceptionExtractor(find_weights(), dataset, resize)


def find_weights(*, download: bool = True) -> Path:
    """Return the file of the weights, after a check of its hash: the user's file, the one in torch hub's cache, or a download."""
    named = os.environ.get(VARIABLE)
    path = Path(named).expanduser() if named else hub_file()
    if not named and not path.exists():
        if not download:
            raise UserError(f"the Inception weights are missing: {path} does not exist; name the file {FILE}, or let a run download it")
        _download(path)
    _check(path, _stamp(path))
    return path


def hub_file() -> Path:
    """Return the path of the weights in torch hub's cache, which other programs that measure FID share."""
    return Path(torch.hub.get_dir()) / "checkpoints" / FILE


def _download(path: Path) -> None:
    """Download the weights into torch hub's cache. If several processes need these, one of them downloads."""
    with locked(path.parent):
        if path.exists():
            return
        log.warning("downloading the Inception weights, %.0f MB, to %s", SIZE_BYTES / 1e6, path)
        try:
            content = sources.download(URL, limit=SIZE_BYTES)
        except sources.Unavailable as error:
            raise UserError(
                f"cannot download the Inception weights ({one_line(error, most=240)}): name the file {FILE} by --inception-weights PATH "
                f"or {VARIABLE}=PATH, or put it into {path.parent}"
            ) from error
        _check_hash(hashlib.sha256(content).hexdigest(), URL)
        write_atomic(path, content)


def _stamp(path: Path) -> tuple[int, int]:
    """Return size and time of a file, which change with its content. Raises UserError if the file cannot be read."""
    try:
        status = path.stat()
    except OSError as error:
        raise UserError(
            f"the Inception weights {one_line(str(path))!r} cannot be read: {error.strerror or error}; name another file"
        ) from error
    if not stat.S_ISREG(status.st_mode):
        raise UserError(f"the Inception weights {one_line(str(path))!r} are not a plain file: name the file {FILE}")
    return status.st_size, status.st_mtime_ns


@cache
def _check(path: Path, stamp: tuple[int, int]) -> None:
    """Raise a UserError unless the file has the published hash."""
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(
            f"the Inception weights {one_line(str(path))!r} cannot be read: {error.strerror or error}; name another file"
        ) from error
    _check_hash(found, str(path))


def _check_hash(found: str, where: str) -> None:
    if found != SHA256:
        raise UserError(
            f"{one_line(where)!r} is not the file {FILE}: its sha256 is {found[:12]}..., expected {SHA256[:12]}...: download it again"
        )


@lru_cache(maxsize=1)
def _network(path: Path, stamp: tuple[int, int]) -> Any:
    """Return the network with its weights. With `stamp`, the cache detects a changed file."""
    _check(path, stamp)
    try:
        return network_with(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # torch and its unpickler raise many error types
        raise UserError(
            f"the Inception weights {one_line(str(path))!r} cannot be loaded: {one_line(error, most=120)}; download them again"
        ) from error


def network_with(state: dict[str, Tensor]) -> Any:
    """Return torch-fidelity's network with this state. A patch replaces the call that downloads and unpickles a state."""
    from torch_fidelity import feature_extractor_inceptionv3 as theirs

    loader = theirs.load_state_dict_from_url
    theirs.load_state_dict_from_url = lambda *_, **__: state
    try:
        return theirs.FeatureExtractorInceptionV3("inception-v3-compat", list(FEATURES))
    finally:
        theirs.load_state_dict_from_url = loader
