"""Companions: the examples that belong to the outputs of a translation, e.g. the input of each output.

The evaluator makes them, and the metrics of translation read them. A metric that needs one of them names it in the `needs` of its card.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Literal

from torch import Tensor

from bench.metrics.half_samples import canonical_order
from bench.metrics.translation import l1

Companion = Literal["given", "truth", "truth_labels", "back", "back_noisy", "again"]  # with one row for each output
ABSENT: Mapping[str, str] = {
    "given": "these outputs have no inputs",
    "truth": "the data has no truth for each output",
    "truth_labels": "the class of each truth is unknown",
    "back": "the networks do not translate back",
    "back_noisy": "the networks do not translate back",
    "again": "no input was translated twice",
    "identity": "no example of the target side was translated",
    "target_classes": "the classes of the target side are unknown",
}  # why a companion is missing


@dataclass(frozen=True, kw_only=True)
class Companions:
    """Record of the companions of n outputs. Row i belongs to output i, except in `identity`. Images are uint8.

    The evaluator passes them. It makes `back` from the outputs after their rounding to bytes. `truth_labels` and `target_classes` are in
    the numbering of the classifier that measures the outputs: `predictions` of the extractor `classifier`.
    """

    given: Tensor | None = None  # [n, *given]: the inputs
    truth: Tensor | None = None  # [n, *shape]: what each output should be
    truth_labels: Tensor | None = None  # [n] int64: the class of each truth
    back: Tensor | None = None  # [n, *given]: each output, translated back
    back_noisy: Tensor | None = None  # [n, *given]: the same after noise of two grey levels was added to the output
    again: Tensor | None = None  # [n, *shape]: a second output for each input, with other noise
    identity: tuple[Tensor, Tensor] | None = None  # (inputs, outputs), each [m, *shape]: examples of the target side as inputs
    target_classes: tuple[int, ...] | None = None  # the classes of the target side

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The present companions with one row for each output, by name."""
        found = {part.name: getattr(self, part.name) for part in fields(self)}
        return {name: value for name, value in found.items() if isinstance(value, Tensor)}

    def ordered(self, data: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Companions]:
        """Return the canonical order [n] of the outputs `data` [n, ...], and the companions in this order.

        A hash of a complete row (the output and its companions) determines the order, so rows remain together. Rows with equal hashes
        are equal in every part. `labels` [n] are the requested labels, if any. Without companions, the order is that of the outputs alone.
        Raises ValueError for another number of rows.
        """
        aligned = self.tensors
        for name, value in aligned.items():
            if len(value) != len(data):
                raise ValueError(f"`{name}` has {len(value)} rows, and there are {len(data)} outputs")
        parts = [*aligned.values(), *([labels] if labels is not None and aligned else [])]
        order = canonical_order(data, *parts)
        changed: dict[str, Any] = {name: value[order] for name, value in aligned.items()}
        if self.identity is not None:
            inputs, outputs = self.identity
            own = canonical_order(inputs, outputs)
            changed["identity"] = inputs[own], outputs[own]
        return order, replace(self, **changed)


class CompanionRows:
    """Access to the companions of outputs. Each property raises ValueError if the companion is missing, with the reason."""

    _companions: Companions

    def companion(self, name: Companion) -> Tensor:
        """Return a companion with one row for each output. Raises ValueError with the reason if it is missing."""
        value: Tensor | None = getattr(self._companions, name)
        if value is None:
            raise ValueError(ABSENT[name])
        return value

    @property
    def target_classes(self) -> tuple[int, ...]:
        """The classes of the target side in the numbering of the classifier."""
        if self._companions.target_classes is None:
            raise ValueError(ABSENT["target_classes"])
        return self._companions.target_classes

    @cached_property
    def identity_distances(self) -> Tensor:
        """Mean absolute difference of each example of the target side and its translation, in grey levels: [m]. They are no rows of outputs."""
        if self._companions.identity is None:
            raise ValueError(ABSENT["identity"])
        return l1(*self._companions.identity)

    @property
    def given(self) -> Tensor:
        """The inputs, uint8 [n, *given]."""
        return self.companion("given")

    @property
    def truth(self) -> Tensor:
        """What each output should be, uint8 [n, *shape]."""
        return self.companion("truth")

    @property
    def truth_labels(self) -> Tensor:
        """The class of each truth in the numbering of the classifier, [n] int64."""
        return self.companion("truth_labels")

    @property
    def back(self) -> Tensor:
        """Each output, rounded to bytes and translated back: uint8 [n, *given]."""
        return self.companion("back")

    @property
    def back_noisy(self) -> Tensor:
        """The same after noise of two grey levels was added to each output."""
        return self.companion("back_noisy")

    @property
    def again(self) -> Tensor:
        """A second output for each input, with other noise: uint8 [n, *shape]."""
        return self.companion("again")
