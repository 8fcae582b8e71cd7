"""Cards of the metrics of diversity, modes and memorisation, in the order of tables."""

from __future__ import annotations

from bench.metrics.columns.definition import Card

MIXTURE_JS = "modes/js_mixture"  # the headline metric if the data is a known mixture
REVERSE_KL = "modes/reverse_kl"  # the headline metric if the data has other known modes

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
MODES = (
    Card(
        key=MIXTURE_JS,
        title="JS to mixture",
        direction="lower",
        unit="nats",
        needs=("mixture",),
        citation="Defined here",
        meaning="Jensen-Shannon divergence between the shares of points (near each centre, and near none) and those of the data. Missed modes, unequal shares, points far from all modes "
        "and points too close to the centres all raise it. So it ranks variants for which the three published metrics disagree. It is between 0 and 0.693. A finite sample of real data is just above 0.",
    ),
    Card(
        key="modes/found",
        title="modes found",
        direction="higher",
        scale="difference",
        unit="modes",
        needs=("modes",),
        citation="Srivastava et al. 2017 (VEEGAN), arXiv 1705.07761; Lin et al. 2018 (PacGAN), arXiv 1712.04086",
        meaning="Number of known modes of the data with at least one sample. A point is in a mode within 3 standard deviations of its centre. The mode of a stacked image consists of the three classes that the classifier predicts.",
    ),
    Card(
        key=REVERSE_KL,
        title="reverse KL",
        direction="lower",
        unit="nats",
        needs=("modes",),
        citation="Srivastava et al. 2017 (VEEGAN), arXiv 1705.07761; Lin et al. 2018 (PacGAN), arXiv 1712.04086",
        meaning="Kullback-Leibler divergence of the generated shares of the modes from the real ones. A point counts for its nearest centre. A finite sample of real data is above 0, too.",
    ),
    Card(
        key="modes/high_quality",
        title="high quality",
        direction="higher",
        scale="difference",
        unit="fraction",
        needs=("mixture",),
        citation="Srivastava et al. 2017 (VEEGAN), arXiv 1705.07761; Lin et al. 2018 (PacGAN), arXiv 1712.04086",
        meaning="Share of points within 3 standard deviations of a centre. The data itself has 0.989. A higher value means that samples are too close to the centres: the modes are too narrow.",
    ),
    Card(
        key="modes/classes_covered",
        title="classes covered",
        direction="higher",
        scale="difference",
        unit="classes",
        needs=("classifier", "labels"),
        citation="Defined here",
        meaning="Number of classes that the classifier predicts for generated images at least a tenth as often as they occur in the data. If the classifier confuses classes, it also predicts classes that are not generated.",
    ),
    Card(
        key="modes/class_kl",
        title="class KL",
        direction="lower",
        unit="nats",
        needs=("classifier", "labels"),
        citation="Srivastava et al. 2017 (VEEGAN), arXiv 1705.07761",
        meaning="Kullback-Leibler divergence of the generated class shares from the real ones. The classifier predicts the classes of both.",
    ),
    Card(
        key="modes/class_accuracy",
        title="class accuracy",
        direction="higher",
        scale="difference",
        unit="fraction",
        needs=("classifier", "labels", "asked"),
        citation="Odena et al. 2017 (AC-GAN), arXiv 1610.09585",
        meaning="Share of generated images of a conditional model that the classifier assigns to their requested class. The classifier makes errors on real test images, too.",
    ),
    Card(
        key="modes/ndb",
        title="NDB/K",
        direction="lower",
        scale="difference",
        unit="fraction",
        needs=("pixels", "training"),
        citation="Richardson and Weiss 2018, arXiv 1805.12462",
        meaning="Share of bins (k-means cells of the training images' principal components) whose share of generated images differs significantly (5 % level). Real images have about 0.05.",
    ),
    Card(
        key="modes/js_bins",
        title="JS of bins",
        direction="lower",
        unit="nats",
        needs=("pixels", "training"),
        citation="Richardson and Weiss 2018, arXiv 1805.12462",
        meaning="Jensen-Shannon divergence between the shares of generated and of training images in the same bins.",
    ),
    Card(
        key="modes/collapse",
        title="collapse",
        direction="lower",
        scale="difference",
        needs=("classifier", "labels", "neighbours"),
        citation="Defined here",
        meaning="1 if, among the images in the real manifold, at most half of the classes have 0.4 of their real share (in whole images, at least one), or at least half of the images are duplicates. Otherwise 0. "
        "It is not judged if fewer than 5 % of all images, or fewer than three for each class, are in the real manifold.",
        version=3,
    ),
)
MEMORISATION = (
    Card(
        key="memorisation/authenticity",
        title="authenticity",
        direction="none",
        scale="difference",
        unit="fraction",
        needs=("features", "training"),
        citation="Alaa et al. 2022, arXiv 2102.08921",
        meaning="Share of generated images that are further from their nearest training image than this training image is from its nearest other one, in features. 0 means copying. Unseen real images have a half to two thirds. "
        "Images that differ from all real ones have 1. The metric misses copies with invisible noise.",
    ),
    Card(
        key="memorisation/ct_score",
        title="C_T",
        direction="none",
        scale="difference",
        needs=("features", "pixels", "training"),
        citation="Meehan et al. 2020, arXiv 2004.05675",
        meaning="Z-score of the distances of generated images to their nearest training images, compared with those of real test images. It is a mean over the bins. About 0 is ideal. Far below 0 means copying, far above 0 images that differ from the data.",
    ),
)
