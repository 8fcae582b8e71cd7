"""Cards of the metrics of an evaluation: quality, diversity, modes, memorisation, in the order of tables."""

from __future__ import annotations

from bench.metrics.cards.definition import Card

HEADLINE = "quality/fid_classifier"  # if the data has a classifier and no known modes
MIXTURE_JS = "modes/js_mixture"  # if the data is a known mixture
REVERSE_KL = "modes/reverse_kl"  # if the data has other known modes
PIXELS = "quality/frechet_pixels"  # if none of the others applies
SPECTRUM = "quality/spectrum"

QUALITY = (
    Card(
        key=HEADLINE,
        title="classifier-FID",
        direction="lower",
        needs=("classifier",),
        citation="Heusel et al. 2017, arXiv 1706.08500",
        meaning="Fréchet distance between Gaussians fitted to the classifier features of generated and of real test images. "
        "Not the published FID, which uses Inception features: compare it only with numbers of this extractor.",
    ),
    Card(
        key="quality/fid_infinity_classifier",
        title="classifier-FID∞",
        direction="lower",
        needs=("classifier",),
        citation="Chong and Forsyth 2020, arXiv 1911.07023",
        meaning="The classifier-FID extrapolated to infinitely many generated images: a line through FIDs of smaller samples, at 1/N = 0. "
        "It removes the bias that a finite sample adds, and may come out slightly negative for perfect images.",
    ),
    Card(
        key="quality/intra_fid_classifier",
        title="intra-FID",
        direction="lower",
        needs=("classifier", "labels", "asked"),
        citation="Miyato and Koyama 2018, arXiv 1802.05637",
        meaning="Of a conditional model: the classifier-FID between generated and real test images of the same class, averaged over the classes. Fewer images a class bias it upwards.",
    ),
    Card(
        key="quality/kid_classifier",
        title="classifier-KID",
        direction="lower",
        needs=("classifier",),
        citation="Bińkowski et al. 2018, arXiv 1801.01401",
        meaning="Unbiased squared maximum mean discrepancy, cubic polynomial kernel, on classifier features; mean over 100 random subsets of 1,000 images (250, or all, where there are fewer).",
        version=2,
    ),
    Card(
        key="quality/classifier_score",
        title="classifier score",
        direction="higher",
        needs=("classifier", "labels"),
        citation="Salimans et al. 2016, arXiv 1606.03498",
        meaning="The Inception score computed with the data's own classifier: confident predictions, evenly spread; mean over ten parts. At most the number of classes.",
        version=2,
    ),
    Card(
        key="quality/precision_classifier",
        title="precision",
        direction="higher",
        unit="fraction",
        needs=("classifier", "neighbours"),
        citation="Kynkäänniemi et al. 2019, arXiv 1904.06991",
        meaning="Share of generated images that lie in the real manifold (k = 3 nearest neighbours in classifier features): fidelity.",
    ),
    Card(
        key="quality/recall_classifier",
        title="recall",
        direction="higher",
        unit="fraction",
        needs=("classifier", "neighbours"),
        citation="Kynkäänniemi et al. 2019, arXiv 1904.06991",
        meaning="Share of real images that lie in the generated manifold (k = 3): coverage.",
    ),
    Card(
        key="quality/density_classifier",
        title="density",
        direction="higher",
        needs=("classifier", "neighbours"),
        citation="Naeem et al. 2020, arXiv 2002.09797",
        meaning="How many real neighbourhoods (k = 5, classifier features) hold a generated image, on average, divided by 5. About 1 for real images; more where samples crowd where real ones are dense.",
    ),
    Card(
        key="quality/coverage_classifier",
        title="coverage",
        direction="higher",
        unit="fraction",
        needs=("classifier", "neighbours"),
        citation="Naeem et al. 2020, arXiv 2002.09797",
        meaning="Share of real images whose neighbourhood (k = 5, classifier features) holds a generated image. Unlike recall it is not raised by outliers.",
    ),
    Card(
        key="quality/clipped_density_classifier",
        title="clipped density",
        direction="higher",
        unit="fraction",
        needs=("classifier", "neighbours"),
        citation="Salvy et al. 2025, arXiv 2507.01761",
        meaning="Density (k = 5, classifier features) in which no image counts more than once and no real neighbourhood is larger than the median one, as a fraction of the value of real images, at most 1. "
        "With a share of bad images it is 1 minus that share; outliers among real images do not raise it.",
    ),
    Card(
        key="quality/clipped_coverage_classifier",
        title="clipped coverage",
        direction="higher",
        unit="fraction",
        needs=("classifier", "neighbours"),
        citation="Salvy et al. 2025, arXiv 2507.01761",
        meaning="How far real neighbourhoods (k = 5, classifier features) are filled with k generated images, given as the share of perfect images that fills them as far. "
        "With a share of bad images it is 1 minus that share; too few images of any kind lower it, even if each kind occurs.",
    ),
    Card(
        key=PIXELS,
        title="pixel Fréchet",
        direction="lower",
        needs=("pixels",),
        citation="Heusel et al. 2017, arXiv 1706.08500, on principal components of pixels",
        meaning="Fréchet distance on the first 64 principal components of the real training pixels. It knows nothing of classes, so it cannot be fooled as a classifier can: "
        "where the two order variants differently, look at the samples.",
    ),
    Card(
        key=SPECTRUM,
        title="spectrum",
        direction="lower",
        citation="After Durall et al. 2020, arXiv 2003.01826",
        meaning="Mean absolute natural logarithm of the power of generated images by that of real test images, over all radial frequencies from 1 cycle to the corners of the spectrum. "
        "0.1 is about 10 % too much or too little power. It detects texture, noise, blur and the traces of up-sampling, and ignores what the images show.",
    ),
    Card(
        key="quality/spectrum_high",
        title="spectrum, high",
        direction="lower",
        citation="After Durall et al. 2020, arXiv 2003.01826",
        meaning="The same over the highest third of the frequencies: noise, blur and checkerboards of transposed convolutions are there.",
    ),
    Card(
        key="quality/fid_inception",
        title="FID (Inception)",
        direction="lower",
        needs=("inception",),
        citation="Heusel et al. 2017, arXiv 1706.08500",
        meaning="The published FID, on Inception-v3 features of torch-fidelity's weights. Its value depends on how many images are on each side, so compare it only at equal counts.",
    ),
    Card(
        key="quality/kid_inception",
        title="KID (Inception)",
        direction="lower",
        needs=("inception",),
        citation="Bińkowski et al. 2018, arXiv 1801.01401",
        meaning="Squared maximum mean discrepancy as classifier-KID, on Inception-v3 features.",
    ),
    Card(
        key="quality/inception_score",
        title="Inception score",
        direction="higher",
        needs=("inception",),
        citation="Salimans et al. 2016, arXiv 1606.03498",
        meaning="Confident and evenly spread predictions of Inception-v3's ImageNet classes; mean over ten parts. It says little about images that are no photographs.",
    ),
)
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
        key="diversity/duplicate_rate",
        title="duplicates",
        direction="lower",
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
        unit="fraction",
        needs=("mixture",),
        citation="Srivastava et al. 2017 (VEEGAN), arXiv 1705.07761; Lin et al. 2018 (PacGAN), arXiv 1712.04086",
        meaning="Share of points within 3 standard deviations of a centre. The data itself scores 0.989: more than that means that samples are too close to the centres, a collapse inside the modes.",
    ),
    Card(
        key="modes/classes_covered",
        title="classes covered",
        direction="higher",
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
        unit="fraction",
        needs=("classifier", "labels", "asked"),
        citation="Odena et al. 2017 (AC-GAN), arXiv 1610.09585",
        meaning="Of a conditional model: share of generated images that the classifier assigns to the class they were generated for. The classifier makes errors on real test images, too.",
    ),
    Card(
        key="modes/ndb",
        title="NDB/K",
        direction="lower",
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
        needs=("features", "pixels", "training"),
        citation="Meehan et al. 2020, arXiv 2004.05675",
        meaning="Whether generated images are nearer to training images than real test images are, as a z-score within the bins and averaged over them. About 0 is right; far below 0 is copying; far above 0 is images unlike the data.",
    ),
)
