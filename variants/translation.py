"""Translation: the networks of one and of two directions, and the objectives that train them.

`PairedObjective` trains on pairs (pix2pix, SRGAN), `CycleObjective` on two sides without pairs (CycleGAN, DiscoGAN), and
`DomainObjective` on several domains (StarGAN).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from bench.core.errors import UserError
from bench.core.spec import Batch, DataShape, Latent, Networks, Objective, Player, Recipe, Step, Terms
from variants.image_pool import ImagePool
from variants.losses import HARD, LOSSES
from variants.networks.backbone import has_batch_norm
from variants.networks.translator import (
    Judgement,
    TranslationDiscriminator,
    TranslationGenerator,
    TranslationPorts,
    build_discriminator,
    build_translator,
)
from variants.penalties import gradient_penalty
from variants.translation_recipe import TranslationRecipe, as_translation_recipe


class TranslationNetworks(Networks):
    """Networks that translate in one direction: a generator, and its discriminator if the objective has one."""

    def __init__(self, generator: TranslationGenerator, discriminator: TranslationDiscriminator | None, ports: TranslationPorts) -> None:
        super().__init__()
        self.generator = generator
        if discriminator is not None:
            self.discriminator = discriminator
        self.ports = ports
        self.classes = ports.domains

    def draw(self, n: int, noise: torch.Generator, labels: Tensor | None = None) -> Latent:
        """Return n latents without z, with dropout masks if the recipe has dropout. A domain without a label is random."""
        if self.classes and labels is None:
            labels = torch.randint(self.classes, (n,), generator=noise, device=noise.device)
        return Latent(z=torch.zeros(n, 0, device=noise.device), labels=labels, extra=self.generator.draw_extra(n, noise))

    def sample(self, latent: Latent) -> Tensor:
        """Return translations [n, *shape] of the given examples."""
        assert latent.given is not None
        output: Tensor = self.generator(latent.given, latent.labels, latent.extra)
        return output.clamp(-1.0, 1.0)

    def translate(self, given: Tensor, noise: torch.Generator, labels: Tensor | None = None) -> Tensor:
        """Return translations for training, with new dropout masks."""
        output: Tensor = self.generator(given, labels, self.generator.draw_extra(len(given), noise))
        return output

    def judge(self, images: Tensor, given: Tensor | None = None) -> Judgement:
        """Return the judgement of the discriminator, in float32 at any precision of the forward pass."""
        found: Judgement = self.discriminator(images, given)
        features = tuple(maps.float() for maps in found.features)
        return Judgement(found.logits.float(), features, None if found.classes is None else found.classes.float())

    def reverse(self) -> Networks | None:
        """Return these networks if they translate between domains, because the domain of the input is one of them."""
        return self if self.classes else None


class TwoWayNetworks(TranslationNetworks):
    """Networks that translate in both directions. The parts with `_back` translate from `data` to `given`."""

    def __init__(
        self,
        forward: tuple[TranslationGenerator, TranslationDiscriminator],
        back: tuple[TranslationGenerator, TranslationDiscriminator],
        ports: TranslationPorts,
    ) -> None:
        super().__init__(*forward, ports)
        self.generator_back, self.discriminator_back = back

    def reverse(self) -> TranslationNetworks:
        """Return the networks of the way back. They share the weights."""
        found = TranslationNetworks(self.generator_back, self.discriminator_back, self.ports.reverse())
        found.tf32 = self.tf32
        return found


def build_one_way(networks: str, recipe: Recipe, data: DataShape) -> TranslationNetworks:
    """Return the networks of one direction. A recipe without an adversarial loss has no discriminator."""
    recipe, ports = as_translation_recipe(recipe), TranslationPorts.of(data)
    generator = build_translator(networks, ports, recipe)
    return TranslationNetworks(generator, build_discriminator(networks, ports, recipe) if recipe.adversarial else None, ports)


def build_two_way(networks: str, recipe: Recipe, data: DataShape) -> TwoWayNetworks:
    """Return the networks of both directions."""
    recipe, ports = as_translation_recipe(recipe), TranslationPorts.of(data)
    forward, back = (
        (build_translator(networks, way, recipe), build_discriminator(networks, way, recipe)) for way in (ports, ports.reverse())
    )
    return TwoWayNetworks(forward, back, ports)


def translation(networks: Networks) -> TranslationNetworks:
    """Return the networks with the type of a translation. `Objective.check` checks the type earlier, with a message for users."""
    if not isinstance(networks, TranslationNetworks):
        raise TypeError(f"expected TranslationNetworks, got {type(networks).__name__}; build the networks with `build_one_way`")
    return networks


def two_way(networks: Networks) -> TwoWayNetworks:
    """Return the networks with the type of a translation in both directions."""
    if not isinstance(networks, TwoWayNetworks):
        raise TypeError(f"expected TwoWayNetworks, got {type(networks).__name__}; build the networks with `build_two_way`")
    return networks


class TranslationObjective(Objective):
    """Base class of objectives of a translation: the adversarial losses, and the checks of the recipe."""

    needs: type[Networks] = TranslationNetworks
    weights: ClassVar[tuple[str, ...]] = ()  # fields of the recipe that this objective reads, of those in `OPTIONAL`

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.recipe = recipe = as_translation_recipe(recipe)
        self.loss = LOSSES.get(recipe.loss)
        self.logits_are_log_odds = self.loss.log_odds and bool(recipe.adversarial)
        for name in OPTIONAL:
            value, default = getattr(recipe, name), TranslationRecipe.model_fields[name].default
            if value != default and name not in self.weights:
                raise UserError(f"recipe.{name}={value} has no effect on this variant; omit it, or set it to {default}")

    def check(self, networks: Networks) -> None:
        """Raise a UserError for a gradient penalty on a discriminator with batch norm."""
        super().check(networks)
        if self.recipe.gp and has_batch_norm(translation(networks).discriminator):
            raise UserError("recipe.gp does not work with batch norm in the discriminator; set recipe.norm_d=none or instance")

    def discriminator_terms(self, real: Tensor, fake: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the adversarial loss of d on logits of any shape, and the logits to log."""
        log = {"logit_real": real.detach(), "logit_fake": fake.detach()}
        if self.logits_are_log_odds:
            log |= {"p_real": real.detach().sigmoid(), "p_fake": fake.detach().sigmoid()}
        return self.loss.discriminator(real, fake, HARD).mean(), log

    def generator_term(self, fake: Tensor, real: Callable[[], Tensor]) -> Tensor:
        """Return the adversarial loss of g. A relativistic loss also reads the logits of real data."""
        return self.loss.generator(fake, real() if self.loss.sees_real else fake).mean()


OPTIONAL = (
    "adversarial", "l1", "mse", "cycle", "cycle_distance", "identity", "feature_matching", "classify", "gp", "pool", "pretrain", "conditional_d", "g_updates",
)  # fmt: skip  # fields of the recipe that only some objectives read


def distances(output: Tensor, wanted: Tensor, recipe: TranslationRecipe) -> Mapping[str, tuple[float, Tensor]]:
    """Return the terms of the distance from a paired target as {name: (weight, term)}."""
    found = {}
    if recipe.l1:
        found["l1"] = (recipe.l1, (output - wanted).abs().mean())
    if recipe.mse:
        found["mse"] = (recipe.mse, (output - wanted).square().mean())
    return found


def feature_difference(real: Judgement, fake: Judgement) -> Tensor:
    """Return the squared difference of the batch means of D's hidden maps, a mean over maps: Salimans et al. 2016, section 3.1."""
    pairs = zip(real.features, fake.features, strict=True)
    return torch.stack([(a.mean(dim=0) - b.mean(dim=0)).square().mean() for a, b in pairs]).mean()


class PairedObjective(TranslationObjective):
    """Objective on pairs: an adversarial loss, and the distance from the target.

    Isola et al. 2017 (arXiv 1611.07004), eq. 4, has the mean absolute difference. Ledig et al. 2017 (arXiv 1609.04802), eq. 3 and 4, has the
    mean squared difference. Without an adversarial loss, g is the only player. With `pretrain`, d makes no updates at first.
    """

    weights = ("adversarial", "l1", "mse", "feature_matching", "gp", "pretrain", "conditional_d")

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        recipe = self.recipe
        if not (recipe.adversarial or recipe.l1 or recipe.mse):
            raise UserError("recipe.adversarial, recipe.l1 and recipe.mse are 0, so nothing is trained; set one of them")
        g = Player(name="g", modules=("generator",), lr=recipe.lr_g, loss=self.generator_loss)
        d = Player(name="d", modules=("discriminator",), lr=recipe.lr_d, loss=self.discriminator_loss, updates=recipe.k)
        self.players = (d, g) if recipe.adversarial else (g,)
        terms = [f"{weight:g} {term}" for weight, term in ((recipe.l1, "|y - G(x)|"), (recipe.mse, "(y - G(x))²")) if weight]
        self.formula = "; ".join([*([self.loss.formula] if recipe.adversarial else []), *(f"G: + {term}" for term in terms)])

    def check(self, networks: Networks) -> None:
        """Raise a UserError for hyperparameters of a discriminator in a recipe without one."""
        if self.recipe.adversarial:
            super().check(networks)
            return
        Objective.check(self, networks)
        for name in ("feature_matching", "gp", "pretrain", "conditional_d"):
            if getattr(self.recipe, name):
                raise UserError(f"recipe.{name} has no effect, because recipe.adversarial is 0; set recipe.adversarial, too")

    def discriminator_loss(self, networks: Networks, batch: Batch, step: Step) -> Terms | None:
        """Return the loss of d on the target and on a translation, or None in the pre-training of g."""
        if self._pretrains(step):
            return None
        nets, given, beside = self._parts(networks, batch)
        with torch.no_grad():
            fake = nets.translate(given, step.noise)
        loss, log = self.discriminator_terms(nets.judge(batch.data, beside).logits, nets.judge(fake, beside).logits)
        if self.recipe.gp:
            penalty = gradient_penalty(lambda data: nets.judge(data, beside).logits.flatten(1), batch.data, fake, step.noise)
            loss, log["gradient_penalty"] = loss + self.recipe.gp * penalty.mean(), penalty.detach()
        return Terms(loss=loss, log=log)

    def generator_loss(self, networks: Networks, batch: Batch, step: Step) -> Terms:
        """Return the loss of g."""
        nets, given, beside = self._parts(networks, batch)
        fake = nets.translate(given, step.noise)
        terms = dict(distances(fake.float(), batch.data, self.recipe))
        if self.recipe.adversarial and not self._pretrains(step):
            judged = nets.judge(fake, beside)
            terms["adversarial"] = (
                self.recipe.adversarial,
                self.generator_term(judged.logits, lambda: nets.judge(batch.data, beside).logits),
            )
            if self.recipe.feature_matching:
                terms["feature_matching"] = (self.recipe.feature_matching, feature_difference(nets.judge(batch.data, beside), judged))
        return _summed(terms)

    def _parts(self, networks: Networks, batch: Batch) -> tuple[TranslationNetworks, Tensor, Tensor | None]:
        """Return the networks, the given examples, and what d gets beside an image."""
        assert batch.given is not None
        return translation(networks), batch.given, batch.given if self.recipe.conditional_d else None

    def _pretrains(self, step: Step) -> bool:
        return bool(self.recipe.pretrain) and step.images <= self.recipe.pretrain * (step.budget_images or 0)


def _summed(terms: Mapping[str, tuple[float, Tensor]]) -> Terms:
    """Return the weighted sum of terms, which are logged without their weights."""
    loss = torch.stack([weight * term for weight, term in terms.values()]).sum()
    return Terms(loss=loss, log={name: term.detach() for name, (_, term) in terms.items()})


class CycleObjective(TranslationObjective):
    """Objective of two generators on two sides without pairs: an adversarial loss on each side, and the way to the other side and back.

    Zhu et al. 2017 (arXiv 1703.10593), eq. 3, with the mean absolute difference. Kim et al. 2017 (arXiv 1703.05192), eq. 3 to 6, with the mean
    squared one and without a weight. g comes first in a round, and d gets the images that g has just generated, some of them through a pool.
    """

    needs = TwoWayNetworks
    weights = ("adversarial", "cycle", "cycle_distance", "identity", "feature_matching", "pool", "g_updates")

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        recipe = self.recipe
        self.pools = nn.ModuleDict()
        self._fakes: tuple[Tensor, Tensor] | None = None  # of g's last update in this round
        self.players = (
            Player(name="g", modules=("generator", "generator_back"), lr=recipe.lr_g, loss=self.generator_loss, updates=recipe.g_updates),
            Player(
                name="d", modules=("discriminator", "discriminator_back"), lr=recipe.lr_d, loss=self.discriminator_loss, updates=recipe.k
            ),
        )
        power = {"l1": "|x - F(G(x))|", "mse": "(x - F(G(x)))²"}[recipe.cycle_distance]
        extra = [f"{recipe.cycle:g} {power}"] if recipe.cycle else []
        extra += [f"{recipe.identity:g} |y - G(y)|"] if recipe.identity else []
        weight = "" if recipe.adversarial == 1 else f"; G: times {recipe.adversarial:g}"
        self.formula = "; ".join([f"for each of both directions: {self.loss.formula}{weight}", *(f"G: + {term}" for term in extra)])

    def attach(self, networks: Networks) -> None:
        """Create the pools of images of both directions."""
        ports = two_way(networks).ports
        if self.recipe.pool:
            self.pools["data"], self.pools["given"] = (ImagePool(self.recipe.pool, shape) for shape in (ports.shape, ports.given))

    def check(self, networks: Networks) -> None:
        """Raise a UserError for an identity loss between sides of different shapes."""
        super().check(networks)
        ports = two_way(networks).ports
        if self.recipe.identity and ports.given != ports.shape:
            raise UserError(f"recipe.identity needs sides of one shape, not {list(ports.given)} and {list(ports.shape)}; set it to 0")

    def generator_loss(self, networks: Networks, batch: Batch, step: Step) -> Terms:
        """Return the loss of both generators."""
        recipe, forward = self.recipe, two_way(networks)
        back = forward.reverse()
        assert batch.given is not None
        outputs, returned = forward.translate(batch.given, step.noise), back.translate(batch.data, step.noise)
        self._fakes = outputs.detach(), returned.detach()
        terms: dict[str, tuple[float, Tensor]] = {}
        if recipe.adversarial:
            sides = ((forward, outputs, batch.data), (back, returned, batch.given))
            judged = [(nets.judge(fake), nets, real) for nets, fake, real in sides]
            values = [self.generator_term(fake.logits, lambda n=nets, r=real: n.judge(r).logits) for fake, nets, real in judged]  # type: ignore[misc]
            terms["adversarial"] = (recipe.adversarial, torch.stack(values).sum())
            if recipe.feature_matching:
                values = [feature_difference(nets.judge(real), fake) for fake, nets, real in judged]
                terms["feature_matching"] = (recipe.feature_matching, torch.stack(values).sum())
        if recipe.cycle:
            pairs = ((back.translate(outputs, step.noise), batch.given), (forward.translate(returned, step.noise), batch.data))
            terms["cycle"] = (recipe.cycle, self._distances(pairs, recipe.cycle_distance))
        if recipe.identity:
            pairs = ((forward.translate(batch.data, step.noise), batch.data), (back.translate(batch.given, step.noise), batch.given))
            terms["identity"] = (recipe.identity, self._distances(pairs, "l1"))
        return _summed(terms)

    @staticmethod
    def _distances(pairs: tuple[tuple[Tensor, Tensor], ...], kind: str) -> Tensor:
        """Return the sum of the mean distances of pairs."""
        differences = [outputs.float() - wanted for outputs, wanted in pairs]
        return torch.stack([part.abs().mean() if kind == "l1" else part.square().mean() for part in differences]).sum()

    def discriminator_loss(self, networks: Networks, batch: Batch, step: Step) -> Terms:
        """Return the loss of both discriminators on the images of g's last update, or earlier ones of the pools."""
        forward = two_way(networks)
        back = forward.reverse()
        assert self._fakes is not None
        assert batch.given is not None
        with torch.no_grad():
            fakes = dict(zip(("data", "given"), self._fakes, strict=True))
            fakes |= {name: pool(fakes[name], step.noise) for name, pool in self.pools.items()}
        sides = ((forward, batch.data, fakes["data"]), (back, batch.given, fakes["given"]))
        found = [self.discriminator_terms(nets.judge(real).logits, nets.judge(fake).logits) for nets, real, fake in sides]
        log = {name: torch.stack([terms[name].mean() for _, terms in found]).mean() for name in found[0][1]}
        return Terms(loss=torch.stack([loss for loss, _ in found]).sum(), log=log)


class DomainObjective(TranslationObjective):
    """Objective of one generator for several domains: Choi et al. 2018 (arXiv 1711.09020), eq. 2 to 6 and 8.

    d classifies real images, and g makes images that d classifies as the target domain. The target domains are those of the batch in a
    random order. g also translates its images back to the domain of the input.
    """

    weights = ("adversarial", "cycle", "cycle_distance", "classify", "gp")

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        recipe = self.recipe
        if not (recipe.adversarial and recipe.classify):
            raise UserError("recipe.adversarial and recipe.classify must be above 0, because d and g need both; set both")
        self.players = (
            Player(name="d", modules=("discriminator",), lr=recipe.lr_d, loss=self.discriminator_loss, updates=recipe.k),
            Player(name="g", modules=("generator",), lr=recipe.lr_g, loss=self.generator_loss),
        )
        power = {"l1": "|x - G(G(x, c), c')|", "mse": "(x - G(G(x, c), c'))²"}[recipe.cycle_distance]
        terms = [f"D: + {recipe.classify:g} (-log D(c' | x))", f"G: + {recipe.classify:g} (-log D(c | G(x, c)))"]
        terms += [f"G: + {recipe.cycle:g} {power}"] if recipe.cycle else []
        terms += [f"D: + {recipe.gp:g} (|∇D(x̂)| - 1)²"] if recipe.gp else []
        self.formula = "; ".join([self.loss.formula, *terms])

    def discriminator_loss(self, networks: Networks, batch: Batch, step: Step) -> Terms:
        """Return the loss of d on real images and on their translations."""
        nets, labels, targets = self._parts(networks, batch, step)
        with torch.no_grad():
            fake = nets.translate(batch.data, step.noise, targets)
        judged = nets.judge(batch.data)
        loss, log = self.discriminator_terms(judged.logits, nets.judge(fake).logits)
        assert judged.classes is not None
        error = cross_entropy(judged.classes, labels)
        loss, log["classify_real"] = loss + self.recipe.classify * error, error.detach()
        if self.recipe.gp:
            penalty = gradient_penalty(lambda data: nets.judge(data).logits.flatten(1), batch.data, fake, step.noise)
            loss, log["gradient_penalty"] = loss + self.recipe.gp * penalty.mean(), penalty.detach()
        return Terms(loss=loss, log=log)

    def generator_loss(self, networks: Networks, batch: Batch, step: Step) -> Terms:
        """Return the loss of g."""
        recipe = self.recipe
        nets, labels, targets = self._parts(networks, batch, step)
        fake = nets.translate(batch.data, step.noise, targets)
        judged = nets.judge(fake)
        assert judged.classes is not None
        terms = {
            "adversarial": (recipe.adversarial, self.generator_term(judged.logits, lambda: nets.judge(batch.data).logits)),
            "classify_fake": (recipe.classify, cross_entropy(judged.classes, targets)),
        }
        if recipe.cycle:
            difference = nets.translate(fake, step.noise, labels).float() - batch.data
            power = difference.abs() if recipe.cycle_distance == "l1" else difference.square()
            terms["cycle"] = (recipe.cycle, power.mean())
        return _summed(terms)

    def _parts(self, networks: Networks, batch: Batch, step: Step) -> tuple[TranslationNetworks, Tensor, Tensor]:
        """Return the networks, the domains of the batch and random target domains."""
        assert batch.labels is not None
        order = torch.randperm(len(batch), generator=step.noise, device=batch.labels.device)
        return translation(networks), batch.labels, batch.labels[order]
