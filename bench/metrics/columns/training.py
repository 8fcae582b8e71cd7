"""Cards of the metrics that training and the machine log, not an evaluation."""

from __future__ import annotations

from bench.metrics.columns.definition import Card

GENERATOR_UPDATES, TRAIN_SECONDS, IMAGES_PER_SECOND = "train/generator_updates", "perf/train_seconds", "perf/images_per_second"

TRAIN = (
    Card(key="train/loss_d", title="loss D", direction="none", meaning="Mean of the discriminator's loss since the last evaluation point."),
    Card(key="train/loss_g", title="loss G", direction="none", meaning="Mean of the generator's loss since the last evaluation point."),
    Card(key="train/logit_real", title="logit real", direction="none", meaning="Discriminator output on real images, before any sigmoid."),
    Card(
        key="train/logit_fake",
        title="logit fake",
        direction="none",
        meaning="Discriminator output on generated images, before any sigmoid.",
    ),
    Card(
        key="train/p_real",
        title="p(real)",
        direction="none",
        unit="probability",
        needs=("log-odds",),
        meaning="Sigmoid of the logit on real images, for losses whose logits are log-odds. 0.5 means balance.",
    ),
    Card(
        key="train/p_fake",
        title="p(fake)",
        direction="none",
        unit="probability",
        needs=("log-odds",),
        meaning="Sigmoid of the logit on generated images, for losses whose logits are log-odds. 0.5 means balance.",
    ),
    Card(
        key="train/gradient_penalty",
        title="gradient penalty",
        direction="none",
        citation="Gulrajani et al. 2017, arXiv 1704.00028, eq. 3",
        meaning="Mean of (|gradient of D| - 1)^2, before its weight: for WGAN-GP between real and generated images, for DRAGAN around real images. 0 means a gradient of norm 1 everywhere.",
    ),
    Card(
        key="train/r1",
        title="R1",
        direction="none",
        citation="Mescheder et al. 2018, arXiv 1801.04406, eq. 9",
        meaning="Half the mean squared gradient of D at real data, before its weight recipe.r1.",
    ),
    Card(
        key="train/r2",
        title="R2",
        direction="none",
        citation="Mescheder et al. 2018, arXiv 1801.04406, eq. 10",
        meaning="Half the mean squared gradient of D at generated data, before its weight recipe.r2.",
    ),
    Card(
        key="train/consistency",
        title="consistency",
        direction="none",
        citation="Zhang et al. 2020, arXiv 1910.12027, eq. 3",
        meaning="Mean squared change of D's logit if a real image is shifted and mirrored, before its weight recipe.consistency.",
    ),
    Card(
        key="train/class_loss_real",
        title="class loss real",
        direction="none",
        unit="nats",
        citation="Odena et al. 2017, arXiv 1610.09585, eq. 3",
        meaning="-log P(class) that D's classifier predicts for real images.",
    ),
    Card(
        key="train/class_loss_fake",
        title="class loss fake",
        direction="none",
        unit="nats",
        citation="Odena et al. 2017, arXiv 1610.09585, eq. 3",
        meaning="-log P(requested class) that D's classifier predicts for generated images.",
    ),
    Card(
        key="train/code_loss",
        title="code loss",
        direction="none",
        unit="nats",
        citation="Chen et al. 2016, arXiv 1606.03657, eq. 5",
        meaning="-log Q(category | image) of generated images. A random prediction has log(categories).",
    ),
    Card(
        key="train/continuous_loss",
        title="continuous code loss",
        direction="none",
        citation="Chen et al. 2016, arXiv 1606.03657",
        meaning="Half the squared error of the continuous codes that Q predicts from generated images.",
    ),
    Card(
        key="train/mutual_information",
        title="mutual information",
        direction="none",
        unit="nats",
        citation="Chen et al. 2016, arXiv 1606.03657, eq. 5",
        meaning="Lower bound on the mutual information of the category and the image. It is at most log(categories).",
    ),
    Card(
        key="train/real_error",
        title="error real",
        direction="none",
        meaning="D's reconstruction error of real data: the energy of EBGAN, or the mean absolute difference of BEGAN.",
    ),
    Card(
        key="train/fake_error",
        title="error fake",
        direction="none",
        meaning="The same for generated data.",
    ),
    Card(
        key="train/convergence",
        title="convergence",
        direction="none",
        citation="Berthelot et al. 2017, arXiv 1703.10717, section 3.4.1",
        meaning="BEGAN's global measure of convergence: the error of real data, plus the distance of the two errors from their balance. It falls as training converges.",
    ),
    Card(
        key="train/k_t",
        title="k_t",
        direction="none",
        citation="Berthelot et al. 2017, arXiv 1703.10717, section 3.4",
        meaning="Weight of the error of generated data in the loss of BEGAN's D, from 0 to 1. BEGAN controls it to balance the two errors.",
    ),
    Card(
        key="train/pulling_away",
        title="pulling-away term",
        direction="none",
        citation="Zhao et al. 2017, arXiv 1609.03126, eq. 4",
        meaning="Mean squared cosine of pairs of codes of generated images. It is 0 for orthogonal codes, and 1 for parallel codes.",
    ),
    Card(
        key="train/rate",
        title="rate",
        direction="none",
        unit="nats",
        citation="Kingma and Welling 2014, arXiv 1312.6114, appendix B",
        meaning="KL divergence of an image's codes from the prior.",
    ),
    Card(
        key="train/distortion",
        title="distortion",
        direction="none",
        unit="nats",
        citation="Kingma and Welling 2014, arXiv 1312.6114",
        meaning="-log p(image | code).",
    ),
    Card(
        key="train/elbo",
        title="ELBO",
        direction="none",
        unit="nats",
        citation="Kingma and Welling 2014, arXiv 1312.6114, eq. 10",
        meaning="-(rate + distortion): the lower bound on log p(image) of the training data.",
    ),
    Card(
        key="train/grad_norm_d",
        title="gradient norm D",
        direction="none",
        meaning="Euclidean norm of the discriminator's gradient at its last update before an evaluation point.",
    ),
    Card(
        key="train/grad_norm_g",
        title="gradient norm G",
        direction="none",
        meaning="Euclidean norm of the generator's gradient at its last update before an evaluation point. Near 0, the generator has stopped learning.",
    ),
    Card(key="train/lr_g", title="learning rate G", direction="none", meaning="Learning rate of the generator at this evaluation point."),
    Card(
        key="train/lr_d", title="learning rate D", direction="none", meaning="Learning rate of the discriminator at this evaluation point."
    ),
    Card(
        key=GENERATOR_UPDATES,
        title="G updates",
        direction="none",
        unit="updates",
        meaning="Number of updates of the generator. A budget counts real images, so a larger k means fewer updates of the generator.",
    ),
)
PERF = (
    Card(
        key=IMAGES_PER_SECOND,
        title="images/s",
        direction="higher",
        unit="images/s",
        meaning="Real images used in training for each second of the training clock.",
    ),
    Card(
        key=TRAIN_SECONDS,
        title="train seconds",
        direction="lower",
        unit="s",
        meaning="Seconds of the training clock, which excludes evaluation and logging. Reports compare only this clock.",
    ),
    Card(key="perf/evaluate_seconds", title="evaluate seconds", direction="lower", unit="s", meaning="Seconds of sampling and measuring."),
    Card(
        key="perf/log_seconds", title="log seconds", direction="lower", unit="s", meaning="Seconds of writing to the tracker and to disk."
    ),
    Card(
        key="perf/peak_memory_mb",
        title="peak memory",
        direction="lower",
        unit="MB",
        meaning="Peak resident memory of the process (CPU), or peak allocated memory of the device.",
    ),
)
