"""Cards of the other metrics of an evaluation: diversity, modes, memorisation, in the order of tables."""

from __future__ import annotations

from bench.metrics.columns.definition import Card

MIXTURE_JS = "modes/js_mixture"  # if the data is a known mixture
REVERSE_KL = "modes/reverse_kl"  # if the data has other known modes

DIVERSITY = (
    Card(
        key="diversity/pairwise_distance",
        title="pairwise distance",
        direction="none",
        unit="of real",
        citation="Mean distance of random pairs, as collapse detectors use it",
        meaning="Mean pixel distance between random pairs of generated images, as a fraction of the same among real test images. Near 1 is right; near 0 is collapse.",
        version=2,
    ),
    Card(
        key="diversity/ms_ssim_2",
        title="MS-SSIM",
        direction="none",
        needs=("22px",),
        citation="Wang et al. 2003; as a measure of diversity: Odena et al. 2017, arXiv 1610.09585",
        meaning="Mean structural similarity, at two scales, of random pairs of generated images: 1 where all are the same. Right is the value of real images; more is collapse or blur, less is noise.",
    ),
    Card(
        key="diversity/vendi_score",
        title="Vendi score",
        direction="higher",
        needs=("features",),
        unit="images",
        citation="Friedman and Dieng 2022, arXiv 2210.02410",
        meaning="The effective number of different images: exponential of the entropy of the eigenvalues of the cosine kernel of features. 1 where all images look the same; noise may exceed real images.",
    ),
    Card(
        key="diversity/class_vendi",
        title="Vendi score in classes",
        direction="higher",
        needs=("classifier", "labels", "pixels"),
        unit="of real",
        citation="After Stein et al. 2023, arXiv 2306.04675 (dgm-eval)",
        meaning="Variety within classes: the Vendi score of the generated images of a class, in pixel features, as a share of that of real test images, at most 1; mean over classes. "
        "The classifier predicts the class of each image. 1 is right; a class with only one kind of image, or with none, lowers it.",
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
        "Well over 1 where images jump or wander on the way; near 0 where the generator ignores its latent.",
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
        meaning="Jensen-Shannon divergence of the shares of points near each centre, and near none, from those of the data. Missed modes, unequal shares, points off all modes "
        "and points too close to the centres all raise it, so it ranks where the three published numbers may disagree. 0 to 0.693; a finite sample of real data is just above 0.",
    ),
    Card(
        key="modes/found",
        title="modes found",
        direction="higher",
        scale="difference",
        unit="modes",
        needs=("modes",),
        citation="Srivastava et al. 2017 (VEEGAN), arXiv 1705.07761; Lin et al. 2018 (PacGAN), arXiv 1712.04086",
        meaning="Known modes of the data that at least one sample falls in. Points: within 3 standard deviations of a centre. Stacked images: the three classes that the classifier sees.",
    ),
    Card(
        key=REVERSE_KL,
        title="reverse KL",
        direction="lower",
        unit="nats",
        needs=("modes",),
        citation="Srivastava et al. 2017 (VEEGAN), arXiv 1705.07761; Lin et al. 2018 (PacGAN), arXiv 1712.04086",
        meaning="Kullback-Leibler divergence of the generated shares of the modes from the real ones. Points count for their nearest centre. A finite sample of real data is above 0 too.",
    ),
    Card(
        key="modes/high_quality",
        title="high quality",
        direction="higher",
        scale="difference",
        unit="fraction",
        needs=("mixture",),
        citation="Srivastava et al. 2017 (VEEGAN), arXiv 1705.07761; Lin et al. 2018 (PacGAN), arXiv 1712.04086",
        meaning="Share of points within 3 standard deviations of a centre. The data itself scores 0.989: more than that means that samples are too close to the centres, a collapse inside the modes.",
    ),
    Card(
        key="modes/classes_covered",
        title="classes covered",
        direction="higher",
        scale="difference",
        unit="classes",
        needs=("classifier", "labels"),
        citation="Defined here",
        meaning="Classes whose share among generated images, as the classifier sees them, is at least a tenth of their share among real ones. Where it confuses classes it sees some that are not made.",
    ),
    Card(
        key="modes/class_kl",
        title="class KL",
        direction="lower",
        unit="nats",
        needs=("classifier", "labels"),
        citation="Srivastava et al. 2017 (VEEGAN), arXiv 1705.07761",
        meaning="Kullback-Leibler divergence of the generated class shares from the real ones, both as the classifier predicts them.",
    ),
    Card(
        key="modes/class_accuracy",
        title="class accuracy",
        direction="higher",
        scale="difference",
        unit="fraction",
        needs=("classifier", "labels", "asked"),
        citation="Odena et al. 2017 (AC-GAN), arXiv 1610.09585",
        meaning="Of a conditional model: share of generated images that the classifier assigns to the class they were generated for. The classifier makes errors on real test images, too.",
    ),
    Card(
        key="modes/ndb",
        title="NDB/K",
        direction="lower",
        scale="difference",
        unit="fraction",
        needs=("pixels", "training"),
        citation="Richardson and Weiss 2018, arXiv 1805.12462",
        meaning="Share of the bins (k-means cells of the training images' principal components) that generated images fill significantly differently (5 % level). Real images give about 0.05.",
    ),
    Card(
        key="modes/js_bins",
        title="JS of bins",
        direction="lower",
        unit="nats",
        needs=("pixels", "training"),
        citation="Richardson and Weiss 2018, arXiv 1805.12462",
        meaning="Jensen-Shannon divergence between generated and training shares of the same bins.",
    ),
    Card(
        key="modes/collapse",
        title="collapse",
        direction="lower",
        scale="difference",
        needs=("classifier", "labels", "neighbours"),
        citation="Defined here",
        meaning="1 where at most half of the classes have 0.4 of their real share (in whole images, at least one) among the images that lie in the real manifold, or where at least half of those are duplicates; "
        "not judged where under 5 % of all images, or under three a class, lie there.",
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
        meaning="Share of generated images that are further from their nearest training image than that is from its own nearest other one, in features. 0 is copying; real unseen images give a half to two thirds; "
        "images unlike any real one give 1. Noise too faint to see hides a copy.",
    ),
    Card(
        key="memorisation/ct_score",
        title="C_T",
        direction="none",
        scale="difference",
        needs=("features", "pixels", "training"),
        citation="Meehan et al. 2020, arXiv 2004.05675",
        meaning="Whether generated images are nearer to training images than real test images are, as a z-score within the bins and averaged over them. About 0 is right; far below 0 is copying; far above 0 is images unlike the data.",
    ),
)
