"""Cards of what training and the machine log: no evaluation gives these."""

from __future__ import annotations

from bench.cards.definition import Card

TRAIN = (
    Card(key="train/loss_d", title="loss D", direction="none", meaning="Discriminator loss, mean since the last mark."),
    Card(key="train/loss_g", title="loss G", direction="none", meaning="Generator loss, mean since the last mark."),
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
        meaning="sigmoid of the logit on real images, where logits are log-odds; 0.5 is balance.",
    ),
    Card(
        key="train/p_fake",
        title="p(fake)",
        direction="none",
        unit="probability",
        needs=("log-odds",),
        meaning="sigmoid of the logit on generated images, where logits are log-odds; 0.5 is balance.",
    ),
    Card(
        key="train/gradient_penalty",
        title="gradient penalty",
        direction="none",
        citation="Gulrajani et al. 2017, arXiv 1704.00028, eq. 3",
        meaning="Mean of (|gradient of D| - 1)^2 between real and generated images, before its factor recipe.gp; 0 is a slope of 1 everywhere.",
    ),
    Card(
        key="train/grad_norm_d",
        title="gradient norm D",
        direction="none",
        meaning="Euclidean norm of the discriminator's gradient at its last update before a mark.",
    ),
    Card(
        key="train/grad_norm_g",
        title="gradient norm G",
        direction="none",
        meaning="Euclidean norm of the generator's gradient at its last update before a mark; near 0 the generator has stopped learning.",
    ),
    Card(key="train/lr_g", title="learning rate G", direction="none", meaning="Learning rate of the generator at this mark."),
    Card(key="train/lr_d", title="learning rate D", direction="none", meaning="Learning rate of the discriminator at this mark."),
    Card(
        key="train/generator_updates",
        title="G updates",
        direction="none",
        unit="updates",
        meaning="Updates the generator has had. Budgets count real images, so k > 1 leaves fewer of them.",
    ),
)
PERF = (
    Card(
        key="perf/images_per_second",
        title="images/s",
        direction="higher",
        unit="images/s",
        meaning="Real images seen in training for each second of the training clock.",
    ),
    Card(
        key="perf/train_seconds",
        title="train seconds",
        direction="lower",
        unit="s",
        meaning="The training clock: evaluation and logging are off it. The only clock that is compared.",
    ),
    Card(key="perf/evaluate_seconds", title="evaluate seconds", direction="lower", unit="s", meaning="Sampling and measuring."),
    Card(key="perf/log_seconds", title="log seconds", direction="lower", unit="s", meaning="Writing to the tracker and to disk."),
    Card(
        key="perf/peak_memory_mb",
        title="peak memory",
        direction="lower",
        unit="MB",
        meaning="Peak resident memory of the process (CPU), or peak allocated memory of the device.",
    ),
)
