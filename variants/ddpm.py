"""Denoising diffusion (Ho et al. 2020, arXiv 2006.11239) with deterministic sampling (DDIM: Song et al. 2021, arXiv 2010.02502).

Times are those of the papers: 1, ..., T for noisy data, 0 for data. ᾱ_t is the share of the data's variance that remains at t.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from bench.core.spec import Batch, Count, DataShape, Latent, LatentRecipe, Networks, Objective, Player, Recipe, Step, Terms
from variants.networks.denoiser import build_denoiser
from variants.recipe import recipe_of

LEAST_LEFT = 1e-12  # minimum share of the data's variance at the last time. With the published schedule the share is 4e-5
Variance = Annotated[float, Field(gt=0, lt=1)]


class DdpmRecipe(LatentRecipe):
    """The recipe of diffusion: the noise schedule and the number of sampling steps."""

    z_dim: Literal[0] = Field(0, description="0: the latent of diffusion has the shape of the data")
    z_distribution: Literal["normal"] = Field("normal", description="N(0, 1): the distribution of data at the last time")
    times: Annotated[int, Field(ge=2, le=100_000)] = Field(1000, description="T, times at which noise is added")
    beta_first: Variance = Field(1e-4, description="variance that is added at time 1")
    beta_last: Variance = Field(0.02, description="variance that is added at time T; the variance grows linearly with time")
    sampling_steps: Count = Field(20, description="steps of DDIM for a sample, at most T")

    @model_validator(mode="after")
    def _steps_are_times(self) -> DdpmRecipe:
        if self.sampling_steps > self.times:
            raise ValueError(
                f"recipe.sampling_steps={self.sampling_steps} is more than recipe.times={self.times}; set it to at most recipe.times"
            )
        remaining = float(noise_schedule(self.times, self.beta_first, self.beta_last)[-1])
        if remaining < LEAST_LEFT:
            raise ValueError(
                f"recipe.beta_last={self.beta_last:g} leaves {remaining:.2g} of the data's variance after {self.times} steps, too little to restore the data; "
                "set a smaller recipe.beta_last, or a smaller recipe.times"
            )
        return self


class DiffusionNetworks(Networks):
    """Networks of diffusion: one that predicts the noise in data, and the noise schedule."""

    alpha_bar: Tensor

    def __init__(self, denoiser: nn.Module, recipe: DdpmRecipe, data: DataShape) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.data = data
        self.path = sampling_times(recipe.times, recipe.sampling_steps)
        self.register_buffer("alpha_bar", noise_schedule(recipe.times, recipe.beta_first, recipe.beta_last), persistent=False)

    def draw(self, n: int, noise: torch.Generator, labels: Tensor | None = None) -> Latent:
        """Return n latents of the data's shape [n, *shape], which are the data at time T."""
        return Latent(z=torch.randn((n, *self.data.shape), generator=noise, device=noise.device), labels=labels)

    def predict(self, noisy: Tensor, times: Tensor) -> Tensor:
        """Return the noise ε_θ(x_t, t) [N, *shape] in data at times [N]. It is float32 at any precision of the forward pass."""
        noise: Tensor = self.denoiser(noisy, times)
        return noise.float()

    def add_noise(self, data: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """Return x_t = sqrt(ᾱ_t) x_0 + sqrt(1 - ᾱ_t) ε: Ho et al. 2020, eq. 4, at times [N]."""
        signal = self.alpha_bar[times].view(-1, *[1] * (data.dim() - 1))
        return signal.sqrt() * data + (1.0 - signal).sqrt() * noise

    def clean(self, noisy: Tensor, noise: Tensor, time: int) -> Tensor:
        """Return x_0 = (x_t - sqrt(1 - ᾱ_t) ε) / sqrt(ᾱ_t): Ho et al. 2020, below eq. 9. Images are clamped to [-1, 1], as in their code."""
        signal = self.alpha_bar[time]
        data = (noisy - (1.0 - signal).sqrt() * noise) / signal.sqrt()
        return data.clamp(-1.0, 1.0) if self.data.kind == "image" else data

    def back(self, noisy: Tensor, noise: Tensor, time: int, earlier: int) -> Tensor:
        """Return data at an earlier time, given the noise at this time: Song et al. 2021, eq. 12 with σ = 0.

        The method computes the noise again from the clamped x_0.
        """
        data, signal, earlier_signal = self.clean(noisy, noise, time), self.alpha_bar[time], self.alpha_bar[earlier]
        noise = (noisy - signal.sqrt() * data) / (1.0 - signal).sqrt()
        return earlier_signal.sqrt() * data + (1.0 - earlier_signal).sqrt() * noise

    def sample(self, latent: Latent) -> Tensor:
        """Return the data at time 0 [n, *shape] from the data at time T, over the times of `path`."""
        samples = latent.z
        for time, earlier in zip(self.path, (*self.path[1:], 0), strict=True):
            samples = self.back(samples, self.predict(samples, torch.full((len(samples),), time, device=samples.device)), time, earlier)
        return samples


class DiffusionObjective(Objective):
    """Objective of diffusion. Its one player, g, learns to predict the noise in data."""

    needs = DiffusionNetworks
    formula = "(ε - ε_θ(√ᾱ_t x + √(1 - ᾱ_t) ε, t))², a mean over the elements of an example, for random t and ε"

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.times = recipe_of(DdpmRecipe, recipe, "diffusion").times
        self.players = (Player(name="g", modules=("denoiser",), lr=recipe.lr_g, loss=self.loss),)

    def loss(self, networks: Networks, batch: Batch, step: Step) -> Terms:
        """Return |ε - ε_θ(x_t, t)|² [N] at a uniform random time from 1 to T: Ho et al. 2020, eq. 14.

        It is a mean over the elements of an example.
        """
        if not isinstance(networks, DiffusionNetworks):
            raise TypeError(f"expected DiffusionNetworks, got {type(networks).__name__}; build the networks with `build_ddpm`")
        device = batch.data.device
        times = torch.randint(1, self.times + 1, (len(batch),), generator=step.noise, device=device)
        noise = torch.randn(batch.data.shape, generator=step.noise, device=device)
        predicted = networks.predict(networks.add_noise(batch.data, noise, times), times)
        return Terms(loss=(predicted - noise).square().flatten(1).mean(dim=1))


def noise_schedule(times: int, first: float, last: float) -> Tensor:
    """Return ᾱ_t = Π (1 - β_s) over s = 1, ..., t at t = 0, ..., T: [T + 1], with ᾱ_0 = 1 and β linear (Ho et al. 2020, section 4)."""
    betas = torch.linspace(first, last, times, dtype=torch.float64)
    return torch.cat([torch.ones(1, dtype=torch.float64), (1.0 - betas).cumprod(dim=0)]).float()


def sampling_times(times: int, steps: int) -> tuple[int, ...]:
    """Return the times of DDIM from T down, evenly spaced: floor(i T / S) for i = S, ..., 1 (Song et al. 2021, appendix D.2, linear)."""
    return tuple(step * times // steps for step in range(steps, 0, -1))


def build_ddpm(networks: str, recipe: Recipe, data: DataShape) -> DiffusionNetworks:
    """Return a registered denoiser with the recipe's noise schedule."""
    return DiffusionNetworks(build_denoiser(networks, data, recipe.width), recipe_of(DdpmRecipe, recipe, "diffusion"), data)
