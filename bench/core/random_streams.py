"""Named random streams of one seed: drawing from one stream never changes another."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# The streams of a run. "data" has no state: the order of an epoch is a function of (seed, epoch).
NOISE, INIT, DROPOUT, EVALUATION, DATA = "noise", "init", "dropout", "evaluation", "data"
TRAINING = (INIT, DATA, NOISE)  # of training. Each can be fixed while others follow the seed. Noise includes dropout
ALL_TRAINING = ",".join(TRAINING)
FIXED_SEED = 0  # the seed of a fixed stream


def derive(seed: int, *names: str | int) -> int:
    """Return a 63-bit seed for a named stream. Equal names give equal seeds, and different names give unrelated seeds."""
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def stream(seed: int, name: str, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a fresh generator of the stream `name` on a device."""
    return torch.Generator(device=device).manual_seed(derive(seed, name))


@contextmanager
def seeded(seed: int, name: str) -> Iterator[None]:
    """Context manager in which torch's global generator is the stream `name`. Layers draw their initial weights from this generator."""
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(derive(seed, name))
        yield


class GlobalStream:
    """Stream of one run in torch's global generators, which dropout uses. It is active only in training."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self._device = device
        with self._forked():
            torch.manual_seed(derive(seed, DROPOUT))
            self._state = self._get()

    @contextmanager
    def active(self) -> Iterator[None]:
        """Context manager in which the global generators are this stream. It saves the position at the end, also after an error."""
        with self._forked():
            self._set(self._state)
            try:
                yield
            finally:
                self._state = self._get()

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return the position of the stream."""
        return {name: value.clone() for name, value in self._state.items()}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Set the position of the stream."""
        self._state = {name: value.clone() for name, value in state.items()}

    @contextmanager
    def _forked(self) -> Iterator[None]:
        before = self._get()
        try:
            yield
        finally:
            self._set(before)

    def _get(self) -> dict[str, torch.Tensor]:
        state = {"cpu": torch.random.get_rng_state()}
        if self._device.type == "cuda":
            state["cuda"] = torch.cuda.get_rng_state(self._device)
        elif self._device.type == "mps":
            state["mps"] = torch.mps.get_rng_state()
        return state

    def _set(self, state: dict[str, torch.Tensor]) -> None:
        torch.random.set_rng_state(state["cpu"])
        if self._device.type == "cuda":
            torch.cuda.set_rng_state(state["cuda"], self._device)
        elif self._device.type == "mps":
            torch.mps.set_rng_state(state["mps"])
