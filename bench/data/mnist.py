"""MNIST: 60,000 + 10,000 grey 28x28 pictures of handwritten digits (LeCun, Cortes and Burges 1998)."""

from __future__ import annotations

from bench.core.spec import DataShape
from bench.data.fetched import KnownFile
from bench.data.idx import IdxImages, SplitFiles
from bench.data.sources import mirrors


def _torchvision_mirrors() -> list[str]:
    """Return torchvision's list of mirrors. The import is slow, so it happens only on use."""
    from torchvision.datasets import MNIST

    return list(MNIST.mirrors)


# Hashes of the unpacked files. Several public projects check for the same hashes.
MNIST = IdxImages(
    name="mnist",
    title="MNIST",
    spec=DataShape(kind="image", shape=(1, 28, 28), classes=10),
    class_names=("0", "1", "2", "3", "4", "5", "6", "7", "8", "9"),
    train=SplitFiles(
        images=KnownFile(
            name="train-images-idx3-ubyte", size_bytes=47_040_016, sha256="ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
        ),
        labels=KnownFile(
            name="train-labels-idx1-ubyte", size_bytes=60_008, sha256="65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
        ),
    ),
    test=SplitFiles(
        images=KnownFile(
            name="t10k-images-idx3-ubyte", size_bytes=7_840_016, sha256="0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
        ),
        labels=KnownFile(
            name="t10k-labels-idx1-ubyte", size_bytes=10_008, sha256="ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
        ),
    ),
    sources=(mirrors("torchvision's mirrors", _torchvision_mirrors),),
)
