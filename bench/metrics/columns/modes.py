"""Cards of metrics of modes: the kinds of examples that a generator produces, and how often."""

from __future__ import annotations

from bench.metrics.columns.definition import Card

MIXTURE_JS = "modes/js_mixture"  # the headline metric if the data is a known mixture
REVERSE_KL = "modes/reverse_kl"  # the headline metric if the data has other known modes

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
