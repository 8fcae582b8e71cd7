"""Classification accuracy score (CAS): Ravuri and Vinyals 2019 (arXiv 1905.10887), section 3.

A classifier is trained on generated images and their requested labels alone. The score is its accuracy on real test images.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from bench.core import random_streams
from bench.core.spec import Dataset
from bench.metrics.extractors.classifier import Classifier
from bench.metrics.extractors.classifier_training import accuracy, augment, one_thread
from bench.metrics.extractors.training_plan import TrainingPlan, plan_for

# Part of the definition of the metric: a change increases the version on its card.
SEED = 0
EPOCHS, LEAST_STEPS = 12, 400  # more epochs for few images


def classification_accuracy_score(images: Tensor, labels: Tensor, dataset: Dataset) -> float:
    """Return the accuracy on the test split, as a fraction, of a classifier trained on images uint8 [n, C, H, W] with labels [n].

    The network is that of the dataset's extractor `classifier`, with fixed seeds and one thread. Raises ValueError if the training diverges.
    """
    plan = plan_for(dataset)
    channels, height, width = images.shape[1:]
    with one_thread(), random_streams.seeded(SEED, "cas"):  # initial weights and dropout
        network = Classifier(shape=(channels, height, width), widths=plan.widths, dims=plan.dims, classes=dataset.spec.classes)
        network = network.to(memory_format=torch.channels_last)
        _fit(network, images, labels, plan)
        return accuracy(network, dataset.split("test"))


def _fit(network: Classifier, images: Tensor, labels: Tensor, plan: TrainingPlan) -> None:
    """Train by cross-entropy with AdamW and one cycle of the learning rate, on images that are shifted and mirrored as in the plan."""
    noise = random_streams.stream(SEED, "cas-data")
    batch_size = min(plan.batch_size, len(images))
    batches = len(images) // batch_size
    epochs = max(EPOCHS, math.ceil(LEAST_STEPS / batches))
    optimiser = torch.optim.AdamW(network.parameters(), lr=plan.lr, weight_decay=plan.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, plan.lr, total_steps=epochs * batches, pct_start=0.2)
    network.train()
    for _ in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(images), generator=noise)[: batches * batch_size].split(batch_size):
            loss = functional.cross_entropy(network(augment(images[rows], plan, noise)).logits, labels[rows])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item()
        if not math.isfinite(total):
            raise ValueError("the training of a classifier on the generated images diverged")
