"""The training plan of a dataset's classifier: a fixed plan, or one computed from the number and shape of its images."""

from __future__ import annotations

from dataclasses import dataclass

from bench.core.errors import UserError
from bench.core.spec import Dataset

VERSION = 1  # of the training: increase it if the training gives another classifier
GREY_WIDTH, COLOUR_WIDTH = 64, 96  # channels of the last convolution
WORK = 1.6e10  # outputs of convolutions in all forward passes: some minutes on one core
FEWEST_EPOCHS, MOST_EPOCHS, FEWEST_STEPS = 4, 60, 200
FEWEST_IMAGES, SMALLEST_SIDE = 50, 4
DIMS = 64  # width of the features: at most half the number of test images, for their covariance
MIRRORED = ("cifar10",)  # datasets where a mirrored image has the same class


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """Record of the architecture and training of a classifier."""

    widths: tuple[int, ...]
    dims: int
    epochs: int
    batch_size: int
    shift: int  # maximum number of pixels by which training images are shifted
    flip: bool  # whether training images are mirrored at random
    lr: float = 4e-3
    weight_decay: float = 5e-2
    epoch_images: int | None = None  # images of an epoch, if the training split is too large for one

    @property
    def outliers(self) -> int:
        """Number of outliers for each batch: a quarter of its size."""
        return self.batch_size // 4


PLANS = {
    "fashion-mnist": TrainingPlan(widths=(16, 32, 64), dims=64, epochs=14, batch_size=128, shift=1, flip=True),
    "digits": TrainingPlan(widths=(32, 64), dims=32, epochs=60, batch_size=64, shift=1, flip=False),
}


def plan_for(dataset: Dataset) -> TrainingPlan:
    """Return the plan of a dataset: the one in `PLANS`, else one computed from the number and shape of its images.

    Larger images get fewer epochs, so training takes at most some minutes on one core. Raises UserError if no classifier can be
    trained.
    """
    why_not = untrainable(dataset)
    if why_not:
        raise UserError(f"no classifier can be trained on {dataset.name}: {why_not}")
    if dataset.name in PLANS:
        return PLANS[dataset.name]
    channels, height, width = dataset.spec.shape
    images = len(dataset.split("train"))
    side = min(height, width)
    widths = widths_for(side, GREY_WIDTH if channels == 1 else COLOUR_WIDTH)
    total_images = max(1, round(WORK / work_of(dataset.spec.shape, widths)))  # images in all
    batch_size = 128 if images >= 4_096 else 64 if images >= 512 else 32
    epoch_images = min(images, max(batch_size, total_images // FEWEST_EPOCHS))
    most = max(MOST_EPOCHS, -(-FEWEST_STEPS // (epoch_images // batch_size)))
    return TrainingPlan(
        widths=widths, dims=max(1, min(DIMS, len(dataset.split("test")) // 2)), epochs=min(most, max(FEWEST_EPOCHS, total_images // epoch_images)), batch_size=batch_size,
        shift=max(1, side // 16), flip=dataset.name in MIRRORED, epoch_images=epoch_images if epoch_images < images else None,
    )  # fmt: skip


def widths_for(side: int, last: int) -> tuple[int, ...]:
    """Return the channels of the convolutions. Each halves the side, down to 3 pixels or more, and doubles the channels up to `last`."""
    blocks = max(2 if side >= 8 else 1, (side // 3).bit_length() - 1)
    return tuple(max(16, last >> (blocks - 1 - index)) for index in range(blocks))


def work_of(shape: tuple[int, ...], widths: tuple[int, ...]) -> int:
    """Return the number of outputs of the convolutions for one image. Training time is proportional to it."""
    _, height, width = shape
    return sum(channels * (height >> index) * (width >> index) for index, channels in enumerate(widths))


def untrainable(dataset: Dataset) -> str | None:
    """Return the reason why no classifier can be trained on a dataset, or None."""
    shape, classes = dataset.spec.shape, dataset.spec.classes
    if dataset.spec.kind != "image" or len(shape) != 3 or not classes:
        return "it has no labelled images"
    if min(shape[1:]) < SMALLEST_SIDE:
        return f"its images are smaller than {SMALLEST_SIDE} pixels"
    train, test = dataset.split("train"), dataset.split("test")
    if train.labels is None or test.labels is None:
        return "one of its splits has no labels"
    if len(train.labels.unique()) < 2:
        return "its training images are all of one class"
    if len(train) < FEWEST_IMAGES:
        return f"it has {len(train)} training images, and a classifier needs at least {FEWEST_IMAGES}"
    return None
