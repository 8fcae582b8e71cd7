"""Tiny models, one of each kind. The training loop must train all of them without special cases."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot, softplus

from bench.core.spec import Batch, DataShape, Examples, Latent, LatentRecipe, Networks, Objective, Player, Recipe, Step, Terms, Variant
from bench.training.loop import Trainer

SHAPE = DataShape(kind="image", shape=(1, 8, 8), classes=3)
WIDTH = 16


def examples(n: int = 96) -> Examples:
    """Return images whose brightness depends on their class."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % 3
    noise = torch.randint(0, 40, (n, 1, 8, 8), generator=generator)
    return Examples(data=(noise + labels[:, None, None, None] * 80).to(torch.uint8), labels=labels)


def recipe(**numbers: object) -> Recipe:
    """Return a recipe with batches of 8 images."""
    return LatentRecipe.model_validate({"batch_size": 8, "z_dim": 6, "lr_g": 1e-3, **numbers})


def mlp(inputs: int, outputs: int, *, dropout: float = 0.0, bias: bool = True) -> nn.Sequential:
    """Return a network of two layers, optionally with dropout."""
    return nn.Sequential(nn.Linear(inputs, WIDTH), nn.LeakyReLU(0.2), nn.Dropout(dropout), nn.Linear(WIDTH, outputs, bias=bias))


def normal(n: int, width: int, noise: torch.Generator) -> Tensor:
    """Return samples of N(0, 1), [n, width]."""
    return torch.randn(n, width, generator=noise, device=noise.device)


class ConditionalNets(Networks):
    """Networks of a cGAN (Mirza) with labels as inputs of both. D has dropout, and G has batch norm."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = nn.Sequential(nn.Linear(9, WIDTH), nn.BatchNorm1d(WIDTH), nn.ReLU(), nn.Linear(WIDTH, 64), nn.Tanh())
        self.discriminator = mlp(67, 1, dropout=0.3)

    def draw(self, n: int, noise: torch.Generator, labels: Tensor | None = None) -> Latent:
        chosen = torch.randint(0, 3, (n,), generator=noise) if labels is None else labels
        return Latent(z=normal(n, 6, noise), labels=chosen)

    def sample(self, latent: Latent) -> Tensor:
        assert latent.labels is not None
        return self.generator(torch.cat([latent.z, one_hot(latent.labels, 3).float()], 1)).view(-1, 1, 8, 8)

    def logits(self, data: Tensor, labels: Tensor) -> Tensor:
        return self.discriminator(torch.cat([data.flatten(1), one_hot(labels, 3).float()], 1)).flatten().float()


class ConditionalObjective(Objective):
    """Non-saturating loss with labels."""

    needs = ConditionalNets
    logits_are_log_odds = True

    def __init__(self, k: int = 2) -> None:
        super().__init__()
        self.players = (
            Player(name="d", modules=("discriminator",), lr=1e-3, loss=self.d, updates=k),
            Player(name="g", modules=("generator",), lr=1e-3, loss=self.g),
        )

    def d(self, nets: ConditionalNets, batch: Batch, step: Step) -> Terms:
        with torch.no_grad():
            fake = nets.sample(nets.draw(len(batch), step.noise, batch.labels))
        real_logits, fake_logits = nets.logits(batch.data, batch.labels), nets.logits(fake, batch.labels)
        return Terms(loss=softplus(-real_logits) + softplus(fake_logits), log={"logit_real": real_logits.detach()})

    def g(self, nets: ConditionalNets, batch: Batch, step: Step) -> Terms:
        latent = nets.draw(len(batch), step.noise, batch.labels)
        return Terms(loss=softplus(-nets.logits(nets.sample(latent), batch.labels)))


class InfoNets(ConditionalNets):
    """Networks of InfoGAN, with a code instead of labels, and a head q on the trunk of D."""

    def __init__(self) -> None:
        super().__init__()
        self.discriminator = mlp(64, WIDTH)
        self.d_head, self.q_head = nn.Linear(WIDTH, 1), nn.Linear(WIDTH, 3)

    def draw(self, n: int, noise: torch.Generator, labels: Tensor | None = None) -> Latent:
        return Latent(z=normal(n, 6, noise), extra={"code": torch.randint(0, 3, (n,), generator=noise)})

    def sample(self, latent: Latent) -> Tensor:
        return super().sample(Latent(z=latent.z, labels=latent.extra["code"]))


class InfoObjective(Objective):
    """Objective of InfoGAN, with the mutual information of code and image. Two players train the trunk."""

    needs = InfoNets

    def __init__(self) -> None:
        super().__init__()
        self.players = (
            Player(name="d", modules=("discriminator", "d_head"), lr=1e-3, loss=self.d),
            Player(name="g", modules=("generator", "q_head", "discriminator"), lr=1e-3, loss=self.g),
        )

    def d(self, nets: InfoNets, batch: Batch, step: Step) -> Terms:
        with torch.no_grad():
            fake = nets.sample(nets.draw(len(batch), step.noise))
        real_logits, fake_logits = (nets.d_head(nets.discriminator(data.flatten(1))) for data in (batch.data, fake))
        return Terms(loss=softplus(-real_logits) + softplus(fake_logits))

    def g(self, nets: InfoNets, batch: Batch, step: Step) -> Terms:
        latent = nets.draw(len(batch), step.noise)
        trunk = nets.discriminator(nets.sample(latent).flatten(1))
        information = cross_entropy(nets.q_head(trunk).float(), latent.extra["code"], reduction="none")
        return Terms(loss=softplus(-nets.d_head(trunk)).flatten() + information, log={"information": information.detach()})


class GrowingNets(Networks):
    """Networks that grow from 4x4 to 8x8. The stage is an integer buffer that also sets the size of real images."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = nn.ModuleList([nn.Linear(6, 16), nn.Linear(6, 64)])
        # A relativistic loss cancels the last bias, so there is none.
        self.discriminator = nn.ModuleList([mlp(16, 1, bias=False), mlp(64, 1, bias=False)])
        self.register_buffer("stage", torch.zeros((), dtype=torch.int64))

    def at(self, step: Step) -> None:
        assert step.budget_images is not None
        self.stage.fill_(int(step.images * 2 >= step.budget_images))

    def prepare(self, data: Tensor) -> Tensor:
        return data if int(self.stage) else nn.functional.avg_pool2d(data, 2)

    def draw(self, n: int, noise: torch.Generator, labels: Tensor | None = None) -> Latent:
        return Latent(z=normal(n, 6, noise))

    def now(self, latent: Latent) -> Tensor:
        side = 8 if int(self.stage) else 4
        return self.generator[int(self.stage)](latent.z).tanh().view(-1, 1, side, side)

    def sample(self, latent: Latent) -> Tensor:
        images = self.now(latent)
        return images if int(self.stage) else nn.functional.interpolate(images, scale_factor=2)


class GrowingObjective(Objective):
    """Relativistic loss. G receives the last real batch of D, at the same resolution."""

    needs = GrowingNets

    def __init__(self) -> None:
        super().__init__()
        self.players = (
            Player(name="d", modules=("discriminator",), lr=1e-3, loss=self.d, updates=2),
            Player(name="g", modules=("generator",), lr=1e-3, loss=self.g),
        )

    def gap(self, nets: GrowingNets, batch: Batch, step: Step) -> Tensor:
        fake = nets.now(nets.draw(len(batch), step.noise))
        d = nets.discriminator[int(nets.stage)]
        return d(batch.data.flatten(1)) - d(fake.flatten(1))

    def d(self, nets: GrowingNets, batch: Batch, step: Step) -> Terms:
        return Terms(loss=softplus(-self.gap(nets, batch, step)))

    def g(self, nets: GrowingNets, batch: Batch, step: Step) -> Terms:
        return Terms(loss=softplus(self.gap(nets, batch, step)))


class AutoencoderGanNets(GrowingNets):
    """Networks of BEGAN, whose discriminator is an autoencoder."""

    def __init__(self) -> None:
        Networks.__init__(self)
        self.generator = mlp(6, 64)
        self.discriminator = mlp(64, 64)

    def at(self, step: Step) -> None: ...

    def prepare(self, data: Tensor) -> Tensor:
        return data

    def sample(self, latent: Latent) -> Tensor:
        return self.generator(latent.z).tanh().view(-1, 1, 8, 8)

    def error(self, data: Tensor) -> Tensor:
        flat = data.flatten(1)
        return (flat - self.discriminator(flat)).abs().mean(1)


class BalancedObjective(Objective):
    """Objective of BEGAN, whose balance k_t is a buffer that `after` updates."""

    needs = AutoencoderGanNets
    balance: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("balance", torch.zeros(()))
        self.players = (
            Player(name="d", modules=("discriminator",), lr=1e-3, loss=self.d, after=self.follow),
            Player(name="g", modules=("generator",), lr=1e-3, loss=self.g),
        )

    def d(self, nets: AutoencoderGanNets, batch: Batch, step: Step) -> Terms:
        with torch.no_grad():
            fake = nets.sample(nets.draw(len(batch), step.noise))
        real_error, fake_error = nets.error(batch.data), nets.error(fake)
        log = {"real_error": real_error.detach(), "fake_error": fake_error.detach(), "k_t": self.balance.clone()}
        return Terms(loss=real_error - self.balance * fake_error, log=log)

    def g(self, nets: AutoencoderGanNets, batch: Batch, step: Step) -> Terms:
        return Terms(loss=nets.error(nets.sample(nets.draw(len(batch), step.noise))))

    def follow(self, nets: Networks, terms: Terms, step: Step) -> None:
        self.balance.add_(0.1 * (0.5 * terms.log["real_error"].mean() - terms.log["fake_error"].mean())).clamp_(0, 1)


class VaeNets(Networks):
    """Networks of a VAE. One player, g, trains the encoder and the decoder."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = mlp(64, 12), mlp(6, 64)

    def draw(self, n: int, noise: torch.Generator, labels: Tensor | None = None) -> Latent:
        return Latent(z=normal(n, 6, noise))

    def sample(self, latent: Latent) -> Tensor:
        return self.decoder(latent.z).tanh().view(-1, 1, 8, 8)


class VaeObjective(Objective):
    """Objective of a VAE with the negative ELBO as its loss."""

    needs = VaeNets

    def __init__(self) -> None:
        super().__init__()
        self.players = (Player(name="g", modules=("encoder", "decoder"), lr=1e-3, loss=self.g),)

    def g(self, nets: VaeNets, batch: Batch, step: Step) -> Terms:
        mean, log_variance = nets.encoder(batch.data.flatten(1)).float().chunk(2, 1)
        z = mean + (0.5 * log_variance).exp() * normal(len(batch), 6, step.noise)
        distortion = (nets.sample(Latent(z=z)) - batch.data).square().flatten(1).sum(1)
        rate = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
        return Terms(loss=distortion + rate, log={"rate": rate.detach()})


class DiffusionNets(VaeNets):
    """Networks of DDPM. The latent is the initial noise, and `sample` denoises it deterministically (DDIM)."""

    STEPS = 8

    def __init__(self) -> None:
        Networks.__init__(self)
        self.denoiser = mlp(65, 64)
        self.register_buffer("alpha_bar", torch.linspace(0.98, 0.02, self.STEPS))

    def draw(self, n: int, noise: torch.Generator, labels: Tensor | None = None) -> Latent:
        return Latent(z=normal(n, 64, noise))

    def predict(self, x: Tensor, t: Tensor) -> Tensor:
        return self.denoiser(torch.cat([x, t[:, None] / self.STEPS], 1))

    def sample(self, latent: Latent) -> Tensor:
        x = latent.z
        for t in reversed(range(self.STEPS)):
            eps = self.predict(x, torch.full((len(x),), float(t)))
            clean = (x - (1 - self.alpha_bar[t]).sqrt() * eps) / self.alpha_bar[t].sqrt()
            x = clean if t == 0 else self.alpha_bar[t - 1].sqrt() * clean + (1 - self.alpha_bar[t - 1]).sqrt() * eps
        return x.clamp(-1, 1).view(-1, 1, 8, 8)


class DiffusionObjective(Objective):
    """Objective of DDPM with the simple noise-prediction loss."""

    needs = DiffusionNets

    def __init__(self) -> None:
        super().__init__()
        self.players = (Player(name="g", modules=("denoiser",), lr=1e-3, loss=self.g),)

    def g(self, nets: DiffusionNets, batch: Batch, step: Step) -> Terms:
        t = torch.randint(0, nets.STEPS, (len(batch),), generator=step.noise)
        eps = normal(len(batch), 64, step.noise)
        alpha = nets.alpha_bar[t][:, None]
        noisy = alpha.sqrt() * batch.data.flatten(1) + (1 - alpha).sqrt() * eps
        return Terms(loss=(nets.predict(noisy, t.float()) - eps).square().mean(1))


Pair = tuple[type[Networks], Callable[[], Objective]]
KINDS: dict[str, Pair] = {
    "conditional": (ConditionalNets, ConditionalObjective),
    "infogan": (InfoNets, InfoObjective),
    "growth": (GrowingNets, GrowingObjective),
    "autoencoder": (AutoencoderGanNets, BalancedObjective),
    "vae": (VaeNets, VaeObjective),
    "diffusion": (DiffusionNets, DiffusionObjective),
}


def trainer(
    kind: str, *, seed: int = 0, budget_images: int | None = 800, budget_seconds: float | None = None, **numbers: object
) -> Trainer:
    """Return a trainer of a tiny model of some kind, always with the same initial weights."""
    networks, objective = KINDS[kind]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        nets = networks()
    return Trainer(
        networks=nets, objective=objective(), recipe=recipe(**numbers), data=examples(), seed=seed, budget_images=budget_images,
        budget_seconds=budget_seconds, device=torch.device("cpu"), precision="fp32",
    )  # fmt: skip


CONDITIONAL = Variant(
    name="tiny-cgan", idea="labels into both networks", paper="arXiv 1411.1784", networks="none", recipe=recipe(), needs_labels=True,
    objective=lambda _: ConditionalObjective(), build=lambda *_: ConditionalNets(),
)  # fmt: skip
