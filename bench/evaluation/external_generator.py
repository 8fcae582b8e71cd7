"""Sample an external generator `module:OBJECT`: a torch module, or a callable that returns one."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

import torch
from torch import Tensor, nn

from bench.core import random_streams
from bench.core.errors import UserError, one_line
from bench.evaluation.external_images import ImageRequirements, Range, as_bytes
from bench.evaluation.samples import Samples
from bench.evaluation.sampling import WALK_PAIRS, WALKS, paths_between
from bench.training.precision import float32_products

WIDTHS = ("z_dim", "latent_dim", "nz", "latent_size")  # attributes that may hold the width of the latents
BATCH = 100  # images in one call of the generator
SEED = 0


def sample_module(
    source: str, wanted: ImageRequirements, *, n: int, latent: int | None = None, value_range: Range | None = None
) -> Samples:
    """Sample n images and the walks between latents from the generator `module:OBJECT`, on the CPU and in evaluation mode.

    The generator maps N(0, 1) latents [n, latent] to floats [n, C, H, W] in [0, 1] or in `value_range`. If its first layer is a
    convolution, the latents are [n, latent, 1, 1]. All latents are drawn at once and then sliced. Raises UserError.
    """
    wanted.check_count(n)
    with _module_path():
        network = load_module(source)
        width = latent_width(network, source, latent)
        convolution = _starts_with_convolution(network, width)

        def images(latents: Tensor) -> Tensor:
            """Return the images of latents [n, latent], generated in batches."""
            shaped = latents[:, :, None, None] if convolution else latents
            with (
                torch.no_grad(),
                torch.autocast("cpu", enabled=False),
                float32_products(tf32=False),
                random_streams.seeded(SEED, random_streams.NOISE),
            ):
                return torch.cat([_generate(network, part, source, wanted, value_range) for part in shaped.split(BATCH)])

        data = images(_draw_latents(n, width, random_streams.stream(SEED, random_streams.EVALUATION), source))
        wanted.check_values(data, is_float=True, value_range=value_range)
        ends = _draw_latents(2 * WALK_PAIRS, width, random_streams.stream(SEED, WALKS), source)
        walks = images(paths_between(ends[:WALK_PAIRS], ends[WALK_PAIRS:]))
    return Samples(data=data, walks=walks.reshape(WALK_PAIRS, -1, *walks.shape[1:]))


@contextmanager
def _module_path() -> Iterator[None]:
    """Context manager that adds the working directory to the end of `sys.path` and sends what modules print to stderr."""
    path, before = sys.path, list(sys.path)
    sys.path.append("")
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        path[:] = before  # restore all: the entry may be older, and a module may add others
        sys.path = path


def load_module(source: str) -> nn.Module:
    """Return the torch module that `module:OBJECT` is or returns when called: in evaluation mode, float32, on the CPU. Raises UserError."""
    path, _, name = source.partition(":")
    with _users_code(f"the generator {source!r} cannot be loaded"):
        with random_streams.seeded(SEED, random_streams.INIT):
            found = getattr(importlib.import_module(path), name)
        if callable(found) and not isinstance(found, nn.Module):
            with random_streams.seeded(SEED, random_streams.INIT):  # seeded again: an earlier import does not change the weights
                found = found()
        if isinstance(found, nn.Module):
            return found.eval().float().cpu()
    raise UserError(f"{source!r} is {type(found).__name__!r}, not a torch nn.Module or a callable that returns one: name such an object")


@contextmanager
def _users_code(message: str) -> Iterator[None]:
    """Context manager that turns every exception of a user's code, SystemExit included, into a UserError."""
    try:
        yield
    except (KeyboardInterrupt, UserError):
        raise
    except BaseException as error:
        raise UserError(f"{message}: {type(error).__name__}: {one_line(error)}") from error


def latent_width(network: nn.Module, source: str, given: int | None) -> int:
    """Return the width of the latents: `given`, else the value of a known attribute. Raises UserError."""
    with _users_code(f"the width of the latents of {source!r} cannot be read"):
        width = given if given is not None else next((getattr(network, name) for name in WIDTHS if hasattr(network, name)), None)
    if width is None:
        raise UserError(f"{source!r} has none of the attributes {', '.join(WIDTHS)}: set the width of its latents with --latent N")
    if not isinstance(width, int) or isinstance(width, bool) or width < 1:
        raise UserError(f"the width of the latents must be a positive integer, not {one_line(repr(width), most=60)}: set --latent N")
    return width


def _draw_latents(n: int, width: int, noise: torch.Generator, source: str) -> Tensor:
    try:
        return torch.randn(n, width, generator=noise)
    except (RuntimeError, TypeError, OverflowError) as error:  # torch raises these for too little memory and for numbers that are too large
        raise UserError(f"{n} latents of width {width} for {source!r} do not fit into memory: reduce --n or --latent") from error


def _starts_with_convolution(network: nn.Module, width: int) -> bool:
    first = next((module for module in network.modules() if next(module.parameters(recurse=False), None) is not None), None)
    return isinstance(first, nn.ConvTranspose2d | nn.Conv2d) and first.in_channels == width


def _generate(network: nn.Module, latents: Tensor, source: str, wanted: ImageRequirements, value_range: Range | None) -> Tensor:
    """Generate one batch of images and check it."""
    with _users_code(f"{source!r} cannot be sampled with latents {list(latents.shape)}"):
        output = network(latents)
    if not isinstance(output, Tensor) or output.layout != torch.strided or output.is_meta:
        raise UserError(f"{source!r} returns {one_line(type(output).__name__)!r}, not a dense tensor of images: return one")
    if tuple(output.shape) != (len(latents), *wanted.shape):
        form = ", ".join(map(str, (len(latents), *wanted.shape)))
        raise UserError(
            f"{source!r} returns images of the shape {list(output.shape)}, and {wanted.dataset!r} needs [{form}]: change the output"
        )
    if not output.is_floating_point():
        raise UserError(f"{source!r} returns {str(output.dtype).removeprefix('torch.')}, not floats: return float32")
    return as_bytes(output.cpu(), value_range)
