"""Fashion-MNIST: 60,000 + 10,000 grey 28x28 pictures of ten kinds of clothes (Xiao et al. 2017, arXiv 1708.07747; MIT licence)."""

from __future__ import annotations

from pathlib import Path

from bench.core.spec import DataShape
from bench.data.fetched import KnownFile
from bench.data.idx import IdxImages, SplitFiles
from bench.data.sources import debian_package, folder, mirrors

PACKAGE = "dataset-fashion-mnist"
INSIDE = "usr/share/datasets/fashion-mnist"  # folder of the package's files


def _torchvision_mirrors() -> list[str]:
    """Return torchvision's list of mirrors. The import is slow, so it happens only on use."""
    from torchvision.datasets import FashionMNIST

    return list(FashionMNIST.mirrors)


# Hashes of the unpacked files. Debian repacks them, so hashes of the .gz files differ between sources.
TRAIN = SplitFiles(
    images=KnownFile(
        name="train-images-idx3-ubyte", size_bytes=47_040_016, sha256="c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"
    ),
    labels=KnownFile(
        name="train-labels-idx1-ubyte", size_bytes=60_008, sha256="bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"
    ),
)
TEST = SplitFiles(
    images=KnownFile(
        name="t10k-images-idx3-ubyte", size_bytes=7_840_016, sha256="5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"
    ),
    labels=KnownFile(
        name="t10k-labels-idx1-ubyte", size_bytes=10_008, sha256="0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"
    ),
)

FASHION_MNIST = IdxImages(
    name="fashion-mnist",
    title="Fashion-MNIST",
    licence="MIT",
    attribution="Fashion-MNIST, copyright 2017 Zalando SE",
    spec=DataShape(kind="image", shape=(1, 28, 28), classes=10),
    class_names=("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    train=TRAIN,
    test=TEST,
    sources=(folder(Path("/") / INSIDE), mirrors("torchvision's mirrors", _torchvision_mirrors), debian_package(PACKAGE, INSIDE)),
)
