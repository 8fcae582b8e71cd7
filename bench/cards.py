"""Metric cards: what each number means, which way is better, in what unit, and who defined it. Plain data, no torch.

A card is the one place for these facts: MLflow keys, `evaluate`, tables, axes and the glossary all read them here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal, get_args

from bench.errors import UserError, nearest, one_line

Direction = Literal["lower", "higher", "none"]


@dataclass(frozen=True, kw_only=True)
class Card:
    """One metric. `version` is part of the protocol: it is bumped when the definition changes."""

    key: str  # "<group>/<name>", the MLflow key
    title: str  # as a table heads it
    direction: Direction
    meaning: str
    unit: str = ""
    citation: str = ""
    needs: tuple[str, ...] = ()  # evidence: "classifier", "labels", "log-odds"
    version: int = 1
    recorded: bool = False  # known from a run that was read, not registered in this process

    @property
    def group(self) -> str:
        """The part before the slash: train, quality, diversity, modes, memorisation, perf."""
        return self.key.partition("/")[0]

    @property
    def arrow(self) -> str:
        """↓ lower is better, ↑ higher is better, empty where neither is."""
        return {"lower": "↓", "higher": "↑", "none": ""}[self.direction]


HEADLINE = "quality/fid_classifier"
KEY = re.compile(r"[a-z0-9_]+/[a-z0-9_]+")
LONGEST = {"key": 100, "title": 80, "unit": 40, "meaning": 2000, "citation": 500}  # characters
MOST_VERSIONS = 1_000_000
UNMEASURED = ("train", "perf", "best")  # groups that no evaluation gives; best/ repeats measured ones

_QUALITY = (
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
        key="quality/kid_classifier",
        title="classifier-KID",
        direction="lower",
        needs=("classifier",),
        citation="Bińkowski et al. 2018, arXiv 1801.01401",
        meaning="Unbiased squared maximum mean discrepancy, cubic polynomial kernel, on classifier features; mean over 100 random subsets of 1,000 images (250, or all, where there are fewer).",
    ),
    Card(
        key="quality/classifier_score",
        title="classifier score",
        direction="higher",
        needs=("classifier",),
        citation="Salimans et al. 2016, arXiv 1606.03498",
        meaning="The Inception score computed with the data's own classifier: confident predictions, evenly spread; mean over ten parts. At most the number of classes.",
    ),
    Card(
        key="quality/precision_classifier",
        title="precision",
        direction="higher",
        unit="fraction",
        needs=("classifier",),
        citation="Kynkäänniemi et al. 2019, arXiv 1904.06991",
        meaning="Share of generated images that lie in the real manifold (k = 3 nearest neighbours in classifier features): fidelity.",
    ),
    Card(
        key="quality/recall_classifier",
        title="recall",
        direction="higher",
        unit="fraction",
        needs=("classifier",),
        citation="Kynkäänniemi et al. 2019, arXiv 1904.06991",
        meaning="Share of real images that lie in the generated manifold (k = 3): coverage.",
    ),
)
_DIVERSITY = (
    Card(
        key="diversity/pairwise_distance",
        title="pairwise distance",
        direction="none",
        unit="of real",
        citation="Mean distance of random pairs, as collapse detectors use it",
        meaning="Mean pixel distance between random pairs of generated images, as a fraction of the same among real test images. Near 1 is right; near 0 is collapse.",
    ),
    Card(
        key="diversity/duplicate_rate",
        title="duplicates",
        direction="lower",
        unit="fraction",
        needs=("classifier",),
        citation="Defined here; thresholds from the real test images",
        meaning="Share of generated images whose nearest other generated image, in classifier features, is nearer than the 0.1 % quantile of that distance among real test images.",
    ),
)
_MODES = (
    Card(
        key="modes/classes_covered",
        title="classes covered",
        direction="higher",
        unit="classes",
        needs=("classifier", "labels"),
        citation="Defined here",
        meaning="Classes whose share among generated images, as the classifier sees them, is at least a tenth of their share among real ones.",
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
        key="modes/collapse",
        title="collapse",
        direction="lower",
        needs=("classifier", "labels"),
        citation="Defined here",
        meaning="1 where at most half of the classes are covered or at least 10 % of the images are duplicates; not judged while precision is under .05.",
    ),
)
_TRAIN = (
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
_PERF = (
    Card(
        key="perf/images_per_second",
        title="images/s",
        direction="higher",
        unit="images/s",
        meaning="Real images shown to the discriminator for each second of the training clock.",
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

CARDS: dict[str, Card] = {card.key: card for card in (*_QUALITY, *_DIVERSITY, *_MODES, *_TRAIN, *_PERF)}
BUILT_IN = frozenset(CARDS)
CURVE = (HEADLINE,)  # what an evaluation in mid-run gives
BEST = "best/"  # before a key: the same metric of the best checkpoint


def card(key: str) -> Card:
    """The card of a metric; an unknown key is a one-line error with the nearest. `best/<key>` is that of the best checkpoint."""
    plain = key.removeprefix(BEST)
    if plain not in CARDS:
        raise UserError(f"unknown metric {key!r}" + nearest(plain, CARDS))
    found = CARDS[plain]
    return found if plain == key else replace(found, key=key, title=f"{found.title}, best checkpoint")


def measured() -> tuple[str, ...]:
    """The metrics that a full evaluation gives, in the order of registration: all but what training and the machine log."""
    return tuple(key for key, found in CARDS.items() if found.group not in UNMEASURED)


def register_card(new: Card) -> Card:
    """Add the card of a metric of one's own; the same card again is no harm, another one of that key raises.

    A process that measures knows the card where an installed catalogue imports the module that registers it (`bench.registry`), and
    its runs carry it. What reads results imports no catalogue: it takes the card from the runs (`bench.carried`), unless one of that
    key is registered there too.
    """
    check_card(new)
    known = CARDS.get(new.key)
    if known is not None and known != new and not known.recorded:
        raise UserError(f"there are two metrics named {new.key!r}")
    if known != new:
        CARDS.pop(new.key, None)  # so that it comes last, as it would have without the reading
        CARDS[new.key] = new
    return CARDS[new.key]


def check_card(new: Card) -> None:
    """A UserError unless a card can be stored and shown: a key, a direction, and texts that are plain and of bearable length."""
    if not KEY.fullmatch(new.key) or len(new.key) > LONGEST["key"]:
        raise UserError(f"a metric's key is group/name in small letters, digits and _, not {one_line(repr(new.key), most=80)}")
    if new.direction not in get_args(Direction):
        raise UserError(
            f"the metric {new.key!r}: unknown direction {one_line(repr(new.direction), most=80)}{nearest('', get_args(Direction))}"
        )
    for name, text in {"title": new.title, "unit": new.unit, "meaning": new.meaning, "citation": new.citation}.items():
        plain, least = " ".join(text.split()), int(name in ("title", "meaning"))
        if not least <= len(plain) <= LONGEST[name] or not plain.isprintable():
            wanted = f"plain text of {least} to {LONGEST[name]} characters"
            raise UserError(f"the metric {new.key!r}: its {name} is {wanted}, not {one_line(repr(plain), most=80)}")
    if not 1 <= new.version <= MOST_VERSIONS:
        raise UserError(f"the metric {new.key!r}: its version is a whole number from 1, not {one_line(repr(new.version), most=80)}")
