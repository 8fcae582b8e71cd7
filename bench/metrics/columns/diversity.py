"""Cards of metrics of diversity."""

from __future__ import annotations

from bench.metrics.columns.definition import Card

DIVERSITY = (
    Card(
        key="diversity/pairwise_distance",
        title="pairwise distance",
        direction="none",
        unit="of real",
        citation="Mean distance of random pairs, as collapse detectors use it",
        meaning="Mean pixel distance of random pairs of generated images, as a fraction of that of real test images. 1 is ideal. Near 0 means collapse.",
        version=2,
    ),
    Card(
        key="diversity/ms_ssim_2",
        title="MS-SSIM",
        direction="none",
        needs=("22px",),
        citation="Wang et al. 2003; as a measure of diversity: Odena et al. 2017, arXiv 1610.09585",
        meaning="Mean structural similarity, at two scales, of random pairs of generated images. It is 1 if all images are equal. The value of real images is ideal. A higher value means collapse or blur, a lower one means noise.",
    ),
    Card(
        key="diversity/vendi_score",
        title="Vendi score",
        direction="higher",
        needs=("features",),
        unit="images",
        citation="Friedman and Dieng 2022, arXiv 2210.02410",
        meaning="The effective number of different images: the exponential of the entropy of the eigenvalues of the cosine kernel of features. It is 1 if all images look the same. With noise, it may exceed the value of real images.",
    ),
    Card(
        key="diversity/class_vendi",
        title="Vendi score in classes",
        direction="higher",
        needs=("classifier", "labels", "pixels"),
        unit="of real",
        citation="After Stein et al. 2023, arXiv 2306.04675 (dgm-eval)",
        meaning="Variety within classes: the Vendi score of the generated images of a class, in pixel features, as a share of that of real test images, at most 1. The value is the mean over classes. "
        "The classifier predicts the class of each image. 1 is ideal. A class with images of only one mode, or without images, lowers it.",
    ),
    Card(
        key="diversity/class_vendi_least",
        title="Vendi score in classes, least",
        direction="higher",
        needs=("classifier", "labels", "pixels"),
        unit="of real",
        citation="After Stein et al. 2023, arXiv 2306.04675 (dgm-eval)",
        meaning="The same for the class with the smallest share. Near 0 means that one class lacks variety, which the mean over ten classes hardly shows.",
    ),
    Card(
        key="diversity/duplicate_rate",
        title="duplicates",
        direction="lower",
        scale="difference",
        unit="fraction",
        needs=("features", "neighbours"),
        citation="Defined here; thresholds from the real test images",
        meaning="Share of generated images whose nearest other generated image, in features, is nearer than the 0.1 % quantile of that distance among real test images.",
    ),
    Card(
        key="diversity/path_length",
        title="path length",
        direction="none",
        unit="of real",
        needs=("features", "latents"),
        citation="After Karras et al. 2019, arXiv 1812.04948, section 4.1: here over whole paths",
        meaning="Length in feature space of the path of images between two random latents, in 16 steps along the sphere, as a fraction of the mean distance of two real images. "
        "It is well above 1 if images jump along the path, and near 0 if the generator ignores its latent.",
    ),
)
