"""Trace of a variant: its layers with their shapes, and the functions of its losses. It trains nothing.

Each player computes its loss once on random data, while hooks record the layers and a profiler records the functions. So it works for any
variant, including those of users.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import CodeType, FrameType
from typing import Any

import torch
from torch import Tensor, nn

from bench.core.errors import UserError, one_line
from bench.core.spec import Batch, DataShape, Latent, Networks, Objective, Recipe, Step, Terms

Shape = tuple[int, ...]  # without the batch axis
PACKS = 2  # packs in the smallest batch: batch norm needs two
POSITIONS = 32  # shares of the budget at which growing networks are traced


@dataclass(frozen=True, kw_only=True)
class Trace:
    """Record of layers and functions, in the order of their first call. Layers have input and output shapes, by their path in the networks."""

    inputs: dict[str, tuple[Shape, ...]] = field(default_factory=dict)
    outputs: dict[str, tuple[Shape, ...]] = field(default_factory=dict)
    growing: set[str] = field(default_factory=set)  # layers of networks that still grow
    functions: list[tuple[CodeType, str]] = field(default_factory=list)  # with the names of their modules


def trace(networks: Networks, objective: Objective, recipe: Recipe, data: DataShape, packages: Collection[str]) -> Trace:
    """Return the layers and the functions of these packages that losses, sampling and the steps after updates call.

    Trains nothing, but changes running statistics, clipped weights and buffers of the objective. Raises UserError if a loss or sampling fails.
    """
    found = Trace()
    sizes = sorted({min(recipe.batch_size, PACKS * int(getattr(recipe, "pack", 1))), recipe.batch_size})
    with torch.random.fork_rng(), _hooks(networks, found), _profile(found, packages):
        for size in sizes:
            try:
                _round(networks, objective, data, size, share=1.0)
                networks.sample(_latent(networks, data, size))
                break
            except Exception as error:  # the code of a user may raise any error, or need a full batch
                if size == sizes[-1]:
                    names = f"{type(objective).__name__} with {type(networks).__name__}"
                    raise UserError(f"{names} fails on a batch of {size} random examples: {one_line(error)}") from error
    whole = set(found.outputs)
    with torch.random.fork_rng(), _hooks(networks, found):
        for position in range(POSITIONS):  # records the layers of networks that still grow
            if all(name in found.outputs for name, module in networks.named_modules() if _has_weights(name, module)):
                break
            _round(networks, objective, data, size, share=position / POSITIONS)
    found.growing.update(found.outputs.keys() - whole)
    return found


def _round(networks: Networks, objective: Objective, data: DataShape, size: int, *, share: float) -> None:
    """Compute the losses of all players at a share of the budget."""
    noise = torch.Generator().manual_seed(0)
    real, given = (torch.rand((size, *shape), generator=noise).mul_(2.0).sub_(1.0) for shape in (data.shape, data.given))
    labels = torch.arange(size) % data.classes if data.classes else None
    step = _step(share)
    networks.at(step)
    batch = Batch(data=networks.prepare(real), labels=labels, given=given if data.given else None)
    for player in objective.players:
        terms = player.loss(networks, batch, step)
        if terms is not None:
            with torch.no_grad():
                player.after(networks, terms, step)


def _latent(networks: Networks, data: DataShape, size: int) -> Latent:
    """Return latents with random given examples, if the task has them."""
    latent = networks.draw(size, torch.Generator().manual_seed(0))
    return replace(latent, given=torch.zeros(size, *data.given)) if data.given else latent


def _step(share: float) -> Step:
    """Return a step at a share of the budget."""
    budget = 1_000_000
    return Step(images=int(share * budget), budget_images=budget, index=0, noise=torch.Generator().manual_seed(0))


def _has_weights(path: str, module: nn.Module) -> bool:
    """Return whether a layer has its own weights."""
    return not computes_a_weight(path) and any(True for _ in module.parameters(recurse=False))


def computes_a_weight(path: str) -> bool:
    """Return whether the module at a path is a parametrization, such as spectral norm."""
    return "parametrizations" in path.split(".")


@contextmanager
def _hooks(networks: Networks, found: Trace) -> Iterator[None]:
    """Context manager that records the shapes in the first call of each module."""
    handles = []
    for name, module in networks.named_modules(remove_duplicate=False):
        if computes_a_weight(name):
            continue

        def before(_: nn.Module, args: Any, name: str = name) -> None:
            found.inputs.setdefault(name, _shapes(args))

        def after(_: nn.Module, args: Any, output: Any, name: str = name) -> None:
            found.outputs.setdefault(name, _shapes(output))

        handles += [module.register_forward_pre_hook(before), module.register_forward_hook(after)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _shapes(value: Any) -> tuple[Shape, ...]:
    """Return the shapes of all tensors in an input or output, without the batch axis."""
    return tuple(tuple(tensor.shape[1:]) for tensor in _tensors(value))


def _tensors(value: Any) -> Iterator[Tensor]:
    """Yield all tensors in a value. For Terms it is the loss, and for a Latent it is `z`."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Terms | Latent):
        yield value.loss if isinstance(value, Terms) else value.z
    elif isinstance(value, Mapping):
        yield from (tensor for part in value.values() for tensor in _tensors(part))
    elif isinstance(value, list | tuple):
        yield from (tensor for part in value for tensor in _tensors(part))


@contextmanager
def _profile(found: Trace, packages: Collection[str]) -> Iterator[None]:
    """Context manager that records the calls of functions in some packages, in the order of their first call."""
    before = sys.getprofile()
    sys.setprofile(_profiler(found, packages))
    try:
        yield
    finally:
        sys.setprofile(before if callable(before) else None)  # a profiler written in C cannot be restored


def _profiler(found: Trace, packages: Collection[str]) -> Callable[[FrameType, str, Any], None]:
    """Return a profile function for `sys.setprofile` that adds functions to a trace."""
    order: dict[CodeType, None] = {}
    modules: dict[CodeType, str] = {}

    def watch(frame: FrameType, event: str, returned: Any) -> None:
        """Record each first call. Add the function to the trace when it returns tensors or works in place."""
        code = frame.f_code
        module = str(frame.f_globals.get("__name__", ""))
        if module.partition(".")[0] not in packages or code.co_name.startswith(("_", "<")) or "<locals>" in code.co_qualname:
            return
        if event == "call":
            order.setdefault(code)
        elif event == "return" and code not in modules and _computes(frame, returned):
            modules[code] = module
            found.functions[:] = [(known, modules[known]) for known in order if known in modules]

    return watch


def _computes(frame: FrameType, returned: Any) -> bool:
    """Return whether a function returns tensors or works in place. Methods of layers are excluded."""
    code = frame.f_code
    owner = frame.f_locals.get(code.co_varnames[0]) if code.co_argcount and "." in code.co_qualname else None
    if isinstance(owner, nn.Module) and not isinstance(owner, Networks | Objective):
        return False
    in_place = returned is None and (owner is None or isinstance(owner, Objective))
    return in_place or any(True for _ in _tensors(returned))
