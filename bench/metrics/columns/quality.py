"""Cards of the metrics of quality, in the order of tables."""

from __future__ import annotations

from bench.metrics.columns.definition import Card

FID_CLASSIFIER = "quality/fid_classifier"  # if the data has a classifier and no known modes
FID_DISTILLED = "quality/fid_distilled"  # if the data has a distilled network and no known modes
PIXELS = "quality/frechet_pixels"  # if no other headline metric applies
SPECTRUM = "quality/spectrum"

QUALITY = (
    Card(
        key=FID_CLASSIFIER,
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
        scale="difference",
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
        scale="difference",
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
        scale="difference",
        unit="fraction",
        needs=("classifier", "neighbours"),
        citation="Kynkäänniemi et al. 2019, arXiv 1904.06991",
        meaning="Share of generated images that lie in the real manifold (k = 3 nearest neighbours in classifier features): fidelity.",
    ),
    Card(
        key="quality/recall_classifier",
        title="recall",
        direction="higher",
        scale="difference",
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
        scale="difference",
        unit="fraction",
        needs=("classifier", "neighbours"),
        citation="Naeem et al. 2020, arXiv 2002.09797",
        meaning="Share of real images whose neighbourhood (k = 5, classifier features) holds a generated image. Unlike recall it is not raised by outliers.",
    ),
    Card(
        key="quality/clipped_density_classifier",
        title="clipped density",
        direction="higher",
        scale="difference",
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
        scale="difference",
        unit="fraction",
        needs=("classifier", "neighbours"),
        citation="Salvy et al. 2025, arXiv 2507.01761",
        meaning="How far real neighbourhoods (k = 5, classifier features) are filled with k generated images, given as the share of perfect images that fills them as far. "
        "With a share of bad images it is 1 minus that share; too few images of any kind lower it, even if each kind occurs.",
    ),
    Card(
        key="quality/nn_accuracy_classifier",
        title="1-NN accuracy",
        direction="none",
        scale="difference",
        unit="fraction",
        needs=("classifier", "neighbours"),
        citation="Lopez-Paz and Oquab 2017, arXiv 1610.06545; Xu et al. 2018, arXiv 1806.07755",
        meaning="Two-sample test: share of images, generated and real in equal numbers, whose nearest other image (classifier features) is of the same side. "
        "0.5 is right: the sides cannot be told apart. 1: they have nothing in common. Below 0.5: copies of the test images.",
    ),
    Card(
        key="quality/nn_accuracy_generated_classifier",
        title="1-NN accuracy, generated",
        direction="none",
        scale="difference",
        unit="fraction",
        needs=("classifier", "neighbours"),
        citation="Lopez-Paz and Oquab 2017, arXiv 1610.06545; Xu et al. 2018, arXiv 1806.07755",
        meaning="The same of the generated images alone. High on this side and not on the other: generated images crowd together among real ones, which is too little variety within modes. High on both sides: they are unlike real images, or kinds are missing.",
    ),
    Card(
        key="quality/nn_accuracy_real_classifier",
        title="1-NN accuracy, real",
        direction="none",
        scale="difference",
        unit="fraction",
        needs=("classifier", "neighbours"),
        citation="Lopez-Paz and Oquab 2017, arXiv 1610.06545; Xu et al. 2018, arXiv 1806.07755",
        meaning="The same of the real images alone. High: no generated image is near them. Below 0.5: more generated than real images are near them.",
    ),
    Card(
        key=FID_DISTILLED,
        title="distilled FID",
        direction="lower",
        needs=("distilled",),
        citation="Heusel et al. 2017, arXiv 1706.08500, on features of a network distilled (Hinton et al. 2015, arXiv 1503.02531) from EfficientNet-Lite0",
        meaning="Fréchet distance on the features of a small network that imitates an ImageNet network on images of this dataset. It knows no classes, and orders "
        "generators about as the ImageNet network does (docs/headline). Not the published FID: compare it only with numbers of this extractor.",
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
        key="quality/fid_photo",
        title="photo-FID",
        direction="lower",
        needs=("photo",),
        citation="Heusel et al. 2017, arXiv 1706.08500, on features of Tan and Le 2019, arXiv 1905.11946",
        meaning="Fréchet distance on the 1,280 features of EfficientNet-Lite0, an ImageNet network that knows nothing of the dataset. Not the published FID, which uses "
        "Inception features: compare it only with numbers of this extractor, at equal counts.",
    ),
    Card(
        key="quality/kid_photo",
        title="photo-KID",
        direction="lower",
        scale="difference",
        needs=("photo",),
        citation="Bińkowski et al. 2018, arXiv 1801.01401, on features of Tan and Le 2019, arXiv 1905.11946",
        meaning="Squared maximum mean discrepancy as classifier-KID, on EfficientNet-Lite0 features. Few images suffice.",
    ),
    Card(
        key="quality/cas",
        title="CAS",
        direction="higher",
        scale="difference",
        unit="fraction",
        needs=("classifier", "labels", "asked", "cas"),
        citation="Ravuri and Vinyals 2019, arXiv 1905.10887",
        meaning="Classification accuracy score of a conditional model: the accuracy on real test images of a classifier that was trained on generated images and their labels alone. "
        "Bad images, wrong classes and missing variety within classes all lower it.",
    ),
    Card(
        key="quality/fid_inception",
        title="FID (Inception)",
        direction="lower",
        needs=("inception",),
        citation="Heusel et al. 2017, arXiv 1706.08500",
        meaning="The published FID, on Inception-v3 features of torch-fidelity's weights, against the test split or the reference statistics of a file. Its value depends on how many images are on each side, so compare it only at equal counts.",
    ),
    Card(
        key="quality/kid_inception",
        title="KID (Inception)",
        direction="lower",
        scale="difference",
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
