"""What the players of a variant run: each layer with the shape of what it gives, and the functions with their source. Trains nothing.

Every player computes its loss once on random data, while hooks watch the layers and a profiler watches the functions. So nothing here knows
any variant, and a variant of a user is shown like ours.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any

import torch
from torch import Tensor, nn

from bench.core.errors import UserError, one_line
from bench.core.spec import Batch, DataShape, Latent, Networks, Objective, Recipe, Step, Terms

Shape = tuple[int, ...]  # of one example: without the batch
PACKS = 2  # batches are as small as batch norm and packed discriminators allow
POSITIONS = 32  # of training, at which networks that grow are looked at


@dataclass(frozen=True, kw_only=True)
class Trace:
    """Layers by their path in the networks, in the order of their first call, with the shapes of what they read and give; functions likewise."""

    inputs: dict[str, tuple[Shape, ...]] = field(default_factory=dict)
    outputs: dict[str, tuple[Shape, ...]] = field(default_factory=dict)
    growing: set[str] = field(default_factory=set)  # layers that only networks which have not grown call
    functions: list[tuple[CodeType, str]] = field(default_factory=list)  # with the name of their module


def trace(networks: Networks, objective: Objective, recipe: Recipe, data: DataShape, packages: Collection[str]) -> Trace:
    """The layers and the functions of these packages that the losses of all players, what follows an update, and sampling call.

    Nothing is trained, but running statistics, clipped weights and buffers of the objective are not what they were. Raises UserError where a
    loss or sampling fails.
    """
    found = Trace()
    sizes = sorted({min(recipe.batch_size, PACKS * int(getattr(recipe, "pack", 1))), recipe.batch_size})
    with torch.random.fork_rng(), _hooks(networks, found), _profile(found, packages):
        for size in sizes:
            try:
                _round(networks, objective, data, size, share=1.0)
                networks.sample(networks.draw(size, torch.Generator().manual_seed(0)))
                break
            except Exception as error:  # of a user's code, which may need a whole batch
                if size == sizes[-1]:
                    who = f"{type(objective).__name__} with {type(networks).__name__}"
                    raise UserError(f"{who} fails on a batch of {size} random examples: {one_line(error)}") from error
    whole = set(found.outputs)
    with torch.random.fork_rng(), _hooks(networks, found):
        for position in range(POSITIONS):  # layers that a network which has grown has no use for
            if all(name in found.outputs for name, module in networks.named_modules() if _has_weights(name, module)):
                break
            _round(networks, objective, data, size, share=position / POSITIONS)
    found.growing.update(found.outputs.keys() - whole)
    return found


def _round(networks: Networks, objective: Objective, data: DataShape, size: int, *, share: float) -> None:
    """The losses of all players, at a share of the budget."""
    noise = torch.Generator().manual_seed(0)
    real = torch.rand((size, *data.shape), generator=noise).mul_(2.0).sub_(1.0)
    labels = torch.arange(size) % data.classes if data.classes else None
    step = _step(share)
    networks.at(step)
    batch = Batch(data=networks.prepare(real), labels=labels)
    for player in objective.players:
        terms = player.loss(networks, batch, step)
        with torch.no_grad():
            player.after(networks, terms, step)


def _step(share: float) -> Step:
    budget = 1_000_000
    return Step(images=int(share * budget), budget_images=budget, index=0, noise=torch.Generator().manual_seed(0))


def _has_weights(path: str, module: nn.Module) -> bool:
    """Whether a layer has weights of its own, so that something must call it."""
    return not computes_a_weight(path) and any(True for _ in module.parameters(recurse=False))


def computes_a_weight(path: str) -> bool:
    """Whether the module at that path only computes a weight of another, as spectral norm does."""
    return "parametrizations" in path.split(".")


@contextmanager
def _hooks(networks: Networks, found: Trace) -> Iterator[None]:
    """Context manager that records the shapes of each module's first call."""
    handles = []
    for name, module in networks.named_modules(remove_duplicate=False):
        if computes_a_weight(name):
            continue

        def before(_: nn.Module, args: Any, name: str = name) -> None:
            found.inputs.setdefault(name, _shapes(args))

        def after(_: nn.Module, args: Any, made: Any, name: str = name) -> None:
            found.outputs.setdefault(name, _shapes(made))

        handles += [module.register_forward_pre_hook(before), module.register_forward_hook(after)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _shapes(value: Any) -> tuple[Shape, ...]:
    """The shapes of all tensors in what a module reads or gives, without their first axis."""
    return tuple(tuple(tensor.shape[1:]) for tensor in _tensors(value))


def _tensors(value: Any) -> Iterator[Tensor]:
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
    """Context manager that records which functions of some packages are called, in the order of their first call."""
    ours = _watch(found, packages)
    before = sys.getprofile()
    sys.setprofile(ours)
    try:
        yield
    finally:
        sys.setprofile(before if callable(before) else None)  # one that is written in C is no function


def _watch(found: Trace, packages: Collection[str]) -> Callable[[FrameType, str, Any], None]:
    order: dict[CodeType, None] = {}
    kept: dict[CodeType, str] = {}

    def watch(frame: FrameType, event: str, returned: Any) -> None:
        code = frame.f_code
        module = str(frame.f_globals.get("__name__", ""))
        if module.partition(".")[0] not in packages or code.co_name.startswith(("_", "<")) or "<locals>" in code.co_qualname:
            return
        if event == "call":
            order.setdefault(code)
        elif event == "return" and code not in kept and _says_something(frame, returned):
            kept[code] = module
            found.functions[:] = [(known, kept[known]) for known in order if known in kept]

    return watch


def _says_something(frame: FrameType, returned: Any) -> bool:
    """Whether a function is more than a layer's forward pass or a question: it gives numbers, or it changes something in place."""
    code = frame.f_code
    owner = frame.f_locals.get(code.co_varnames[0]) if code.co_argcount and "." in code.co_qualname else None
    if isinstance(owner, nn.Module) and not isinstance(owner, Networks | Objective):
        return False
    in_place = returned is None and (owner is None or isinstance(owner, Objective))
    return in_place or any(True for _ in _tensors(returned))
