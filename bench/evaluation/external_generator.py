"""Somebody else's generator, sampled as one of ours would be: `module:OBJECT`, a torch module or what returns one."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

import torch
from torch import Tensor, nn

from bench.core import random_streams
from bench.core.errors import UserError, one_line
from bench.evaluation.evaluator import Samples
from bench.evaluation.external_images import Range, Wanted, as_bytes
from bench.evaluation.sampling import WALK_PAIRS, WALKS, paths_between
from bench.training.precision import float32_products

WIDTHS = ("z_dim", "latent_dim", "nz", "latent_size")  # attributes that tell the width of a latent
BATCH = 100  # images sampled at once
SEED = 0


def sample_module(source: str, wanted: Wanted, *, n: int, latent: int | None = None, value_range: Range | None = None) -> Samples:
    """n images of the generator `module:OBJECT`, and images on paths between latents, on the CPU and in evaluation mode.

    It is called with N(0, 1) latents [n, latent], or [n, latent, 1, 1] where its first layer is a convolution, and gives floats
    [n, C, H, W] in [0, 1] or in the range given. All latents are drawn at once and then sliced.
    """
    wanted.check_count(n)
    with _hosting():
        network = load_module(source)
        width = latent_width(network, source, latent)
        convolution = _starts_with_convolution(network, width)

        def images(latents: Tensor) -> Tensor:
            shaped = latents[:, :, None, None] if convolution else latents
            with (
                torch.no_grad(),
                torch.autocast("cpu", enabled=False),
                float32_products(tf32=False),
                random_streams.seeded(SEED, random_streams.NOISE),
            ):
                return torch.cat([_made(network, part, source, wanted, value_range) for part in shaped.split(BATCH)])

        data = images(_drawn(n, width, random_streams.stream(SEED, random_streams.EVALUATION), source))
        wanted.check_values(data, is_float=True, value_range=value_range)
        ends = _drawn(2 * WALK_PAIRS, width, random_streams.stream(SEED, WALKS), source)
        walks = images(paths_between(ends[:WALK_PAIRS], ends[WALK_PAIRS:]))
    return Samples(data=data, walks=walks.reshape(WALK_PAIRS, -1, *walks.shape[1:]))


@contextmanager
def _hosting() -> Iterator[None]:
    """Inside, modules of the working directory can be imported too, after all others, and what they print is no output of ours."""
    path, before = sys.path, list(sys.path)
    sys.path.append("")
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        path[:] = before  # whole: the entry may have been there before, and a module may add some of its own
        sys.path = path


def load_module(source: str) -> nn.Module:
    """The torch module that `module:OBJECT` is, or returns when called; in evaluation mode, float32, on the CPU."""
    path, _, name = source.partition(":")
    with _users_code(f"the generator {source!r} cannot be loaded"):
        with random_streams.seeded(SEED, random_streams.INIT):
            found = getattr(importlib.import_module(path), name)
        if callable(found) and not isinstance(found, nn.Module):
            with random_streams.seeded(SEED, random_streams.INIT):  # anew: the same weights whether or not it was imported before
                found = found()
        if isinstance(found, nn.Module):
            return found.eval().float().cpu()
    raise UserError(f"{source!r} is no torch nn.Module and gives none, but {type(found).__name__!r}")


@contextmanager
def _users_code(trouble: str) -> Iterator[None]:
    """Inside, whatever somebody's code raises becomes a UserError, a script's exit too."""
    try:
        yield
    except (KeyboardInterrupt, UserError):
        raise
    except BaseException as error:
        raise UserError(f"{trouble}: {type(error).__name__}: {one_line(error)}") from error


def latent_width(network: nn.Module, source: str, given: int | None) -> int:
    """The width of its latents: as given, else an attribute that says it."""
    with _users_code(f"the width of the latents of {source!r} cannot be read"):
        width = given if given is not None else next((getattr(network, name) for name in WIDTHS if hasattr(network, name)), None)
    if width is None:
        raise UserError(f"{source!r} has none of the attributes {', '.join(WIDTHS)}: give the width of its latents as --latent N")
    if not isinstance(width, int) or isinstance(width, bool) or width < 1:
        raise UserError(f"the width of latents is a whole number from 1, not {one_line(repr(width), most=60)}")
    return width


def _drawn(n: int, width: int, noise: torch.Generator, source: str) -> Tensor:
    try:
        return torch.randn(n, width, generator=noise)
    except (RuntimeError, TypeError, OverflowError) as error:  # how torch says that there is no memory, or no such number
        raise UserError(f"{n} latents of width {width} for {source!r} do not fit into memory") from error


def _starts_with_convolution(network: nn.Module, width: int) -> bool:
    first = next((module for module in network.modules() if next(module.parameters(recurse=False), None) is not None), None)
    return isinstance(first, nn.ConvTranspose2d | nn.Conv2d) and first.in_channels == width


def _made(network: nn.Module, latents: Tensor, source: str, wanted: Wanted, value_range: Range | None) -> Tensor:
    """One batch of images, checked."""
    with _users_code(f"{source!r} cannot be sampled with latents {list(latents.shape)}"):
        made = network(latents)
    if not isinstance(made, Tensor) or made.layout != torch.strided or made.is_meta:
        raise UserError(f"{source!r} gives no dense tensor of images, but {one_line(type(made).__name__)!r}")
    if tuple(made.shape) != (len(latents), *wanted.shape):
        form = ", ".join(map(str, (len(latents), *wanted.shape)))
        raise UserError(f"{source!r} gives images of the shape {list(made.shape)}, not [{form}] as {wanted.dataset!r} has them")
    if not made.is_floating_point():
        raise UserError(f"{source!r} gives {str(made.dtype).removeprefix('torch.')}, not floats")
    return as_bytes(made.cpu(), value_range)
