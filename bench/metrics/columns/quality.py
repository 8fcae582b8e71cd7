"""Cards of the metrics of quality, in the order of tables."""

from __future__ import annotations

from bench.metrics.columns.definition import Card

FID_CLASSIFIER = "quality/fid_classifier"  # the headline metric if the data has a classifier, no distilled network and no known modes
FID_DISTILLED = "quality/fid_distilled"  # the headline metric if the data has a distilled network and no known modes
PIXELS = "quality/frechet_pixels"  # the headline metric if no other one applies
SPECTRUM = "quality/spectrum"

QUALITY = (
    Card(
        key=FID_DISTILLED,
        title="distilled FID",
        direction="lower",
        needs=("distilled",),
        citation="Heusel et al. 2017, arXiv 1706.08500, on features of a network distilled (Hinton et al. 2015, arXiv 1503.02531) from EfficientNet-Lite0",
        meaning="Fréchet distance on the features of a small network that imitates an ImageNet network on images of this dataset. It uses no classes. It orders "
        "generators about as the ImageNet network does (docs/headline). Not the published FID: compare it only with numbers of this extractor.",
    ),
    Card(
        key=FID_CLASSIFIER,
        title="classifier-FID",
        direction="lower",
        needs=("classifier",),
        citation="Heusel et al. 2017, arXiv 1706.08500",
        meaning="Fréchet distance between Gaussians fitted to the classifier features of generated and of real test images. "
        "It is not the published FID, which uses Inception features. Compare it only with values of this extractor.",
    ),
    Card(
        key="quality/fid_infinity_classifier",
        title="classifier-FID∞",
        direction="lower",
        scale="difference",
        needs=("classifier",),
        citation="Chong and Forsyth 2020, arXiv 1911.07023",
        meaning="The classifier-FID extrapolated to infinitely many generated images: the intercept (1/N = 0) of a line fitted to the FIDs of smaller samples. "
        "It excludes the bias of a finite sample, and may be slightly negative for perfect images.",
    ),
    Card(
        key="quality/intra_fid_classifier",
        title="intra-FID",
        direction="lower",
        needs=("classifier", "labels", "asked"),
        citation="Miyato and Koyama 2018, arXiv 1802.05637",
        meaning="Classifier-FID of a conditional model between generated and real test images of the same class, averaged over the classes. It has a positive bias, which is larger with fewer images of a class.",
    ),
    Card(
        key="quality/kid_classifier",
        title="classifier-KID",
        direction="lower",
        scale="difference",
        needs=("classifier",),
        citation="Bińkowski et al. 2018, arXiv 1801.01401",
        meaning="Unbiased squared maximum mean discrepancy of classifier features, with a cubic polynomial kernel. "
        "Mean over 100 random subsets of 1,000 images, of 250 if there are fewer than 1,000, or of all if there are fewer than 250.",
        version=2,
    ),
    Card(
        key="quality/classifier_score",
        title="classifier score",
        direction="higher",
        needs=("classifier", "labels"),
        citation="Salimans et al. 2016, arXiv 1606.03498",
        meaning="The Inception score, computed with the classifier of the data. It is high if predictions are confident and evenly spread over the classes. Mean over ten parts, at most the number of classes.",
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
        meaning="Share of generated images in the real manifold (k = 3 nearest neighbours in classifier features). It measures fidelity.",
    ),
    Card(
        key="quality/recall_classifier",
        title="recall",
        direction="higher",
        scale="difference",
        unit="fraction",
        needs=("classifier", "neighbours"),
        citation="Kynkäänniemi et al. 2019, arXiv 1904.06991",
        meaning="Share of real images in the generated manifold (k = 3). It measures coverage.",
    ),
    Card(
        key="quality/density_classifier",
        title="density",
        direction="higher",
        needs=("classifier", "neighbours"),
        citation="Naeem et al. 2020, arXiv 2002.09797",
        meaning="Average number of real neighbourhoods (k = 5, classifier features) that contain a generated image, divided by 5. "
        "It is about 1 for real images. It is above 1 if generated images concentrate in dense regions of the real images.",
    ),
    Card(
        key="quality/coverage_classifier",
        title="coverage",
        direction="higher",
        scale="difference",
        unit="fraction",
        needs=("classifier", "neighbours"),
        citation="Naeem et al. 2020, arXiv 2002.09797",
        meaning="Share of real images whose neighbourhood (k = 5, classifier features) contains a generated image. Outliers among generated images do not raise it, but they raise recall.",
    ),
    Card(
        key="quality/clipped_density_classifier",
        title="clipped density",
        direction="higher",
        scale="difference",
        unit="fraction",
        needs=("classifier", "neighbours"),
        citation="Salvy et al. 2025, arXiv 2507.01761",
        meaning="Density (k = 5, classifier features) in which each image counts at most once, and no real neighbourhood is larger than the median one. "
        "The value is a fraction of that of real images, and at most 1. If a share of the images is bad, it is 1 minus that share. Outliers among real images do not raise it.",
    ),
    Card(
        key="quality/clipped_coverage_classifier",
        title="clipped coverage",
        direction="higher",
        scale="difference",
        unit="fraction",
        needs=("classifier", "neighbours"),
        citation="Salvy et al. 2025, arXiv 2507.01761",
        meaning="Coverage (k = 5, classifier features) in which a real neighbourhood counts fully only if it contains k generated images. The value is the share of perfect images that gives the same result. "
        "If a share of the images is bad, it is 1 minus that share. Too few images of one mode lower it, even if all modes occur.",
    ),
    Card(
        key="quality/nn_accuracy_classifier",
        title="1-NN accuracy",
        direction="none",
        scale="difference",
        unit="fraction",
        needs=("classifier", "neighbours"),
        citation="Lopez-Paz and Oquab 2017, arXiv 1610.06545; Xu et al. 2018, arXiv 1806.07755",
        meaning="Two-sample test on equally many generated and real images: share of images whose nearest other image (classifier features) is of the same side. "
        "0.5 is ideal: the nearest neighbour does not predict the side. 1 means that it always does. A value below 0.5 means copies of the test images.",
    ),
    Card(
        key="quality/nn_accuracy_generated_classifier",
        title="1-NN accuracy, generated",
        direction="none",
        scale="difference",
        unit="fraction",
        needs=("classifier", "neighbours"),
        citation="Lopez-Paz and Oquab 2017, arXiv 1610.06545; Xu et al. 2018, arXiv 1806.07755",
        meaning="The same for the generated images alone. If it is high only on this side, generated images are too similar to each other: there is too little variety within modes. "
        "If it is high on both sides, generated images differ from real images, or modes are missing.",
    ),
    Card(
        key="quality/nn_accuracy_real_classifier",
        title="1-NN accuracy, real",
        direction="none",
        scale="difference",
        unit="fraction",
        needs=("classifier", "neighbours"),
        citation="Lopez-Paz and Oquab 2017, arXiv 1610.06545; Xu et al. 2018, arXiv 1806.07755",
        meaning="The same for the real images alone. If it is high, few real images have a generated image near them. If it is below 0.5, more generated than real images are near them.",
    ),
    Card(
        key=PIXELS,
        title="pixel Fréchet",
        direction="lower",
        needs=("pixels",),
        citation="Heusel et al. 2017, arXiv 1706.08500, on principal components of pixels",
        meaning="Fréchet distance on the first 64 principal components of the real training pixels. It does not use a classifier, so it does not have a classifier's errors. "
        "If it and classifier-FID rank variants differently, look at the samples.",
    ),
    Card(
        key=SPECTRUM,
        title="spectrum",
        direction="lower",
        citation="After Durall et al. 2020, arXiv 2003.01826",
        meaning="Mean absolute log-ratio (natural) of the power of generated images to that of real test images. The mean is over all radial frequencies, from 1 cycle to the corners of the spectrum. "
        "0.1 means about 10 % too much or too little power. It detects faults of texture, noise, blur and the traces of up-sampling, and ignores what the images show.",
    ),
    Card(
        key="quality/spectrum_high",
        title="spectrum, high",
        direction="lower",
        citation="After Durall et al. 2020, arXiv 2003.01826",
        meaning="The same over the highest third of the frequencies. It detects noise, blur and the checkerboards of transposed convolutions.",
    ),
    Card(
        key="quality/fid_photo",
        title="photo-FID",
        direction="lower",
        needs=("photo",),
        citation="Heusel et al. 2017, arXiv 1706.08500, on features of Tan and Le 2019, arXiv 1905.11946",
        meaning="Fréchet distance on the 1,280 features of EfficientNet-Lite0, an ImageNet network that was not trained on the dataset. It is not the published FID, which uses "
        "Inception features. Compare it only with values of this extractor, at equal counts.",
    ),
    Card(
        key="quality/kid_photo",
        title="photo-KID",
        direction="lower",
        scale="difference",
        needs=("photo",),
        citation="Bińkowski et al. 2018, arXiv 1801.01401, on features of Tan and Le 2019, arXiv 1905.11946",
        meaning="Squared maximum mean discrepancy of EfficientNet-Lite0 features, computed like classifier-KID. Few images are enough.",
    ),
    Card(
        key="quality/cas",
        title="CAS",
        direction="higher",
        scale="difference",
        unit="fraction",
        needs=("classifier", "labels", "asked", "cas"),
        citation="Ravuri and Vinyals 2019, arXiv 1905.10887",
        meaning="Classification accuracy score of a conditional model: the accuracy, on real test images, of a classifier trained on generated images and their labels alone. "
        "Bad images, wrong classes and missing variety within classes all lower it.",
    ),
    Card(
        key="quality/fid_inception",
        title="FID (Inception)",
        direction="lower",
        needs=("inception",),
        citation="Heusel et al. 2017, arXiv 1706.08500",
        meaning="The published FID, on Inception-v3 features with the weights of torch-fidelity, against the test split or the reference statistics of a file. Its value depends on the number of images on each side. Compare it only at equal counts.",
    ),
    Card(
        key="quality/kid_inception",
        title="KID (Inception)",
        direction="lower",
        scale="difference",
        needs=("inception",),
        citation="Bińkowski et al. 2018, arXiv 1801.01401",
        meaning="Squared maximum mean discrepancy of Inception-v3 features, computed like classifier-KID.",
    ),
    Card(
        key="quality/inception_score",
        title="Inception score",
        direction="higher",
        needs=("inception",),
        citation="Salimans et al. 2016, arXiv 1606.03498",
        meaning="Inception score of the ImageNet classes that Inception-v3 predicts. It is high if predictions are confident and evenly spread. Mean over ten parts. It means little for images that are not photographs.",
    ),
)
