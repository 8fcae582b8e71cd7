"""The card of trained weights: a JSON file beside them that records their origin, and the hash that they must have."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors.torch import load
from torch import nn

from bench.core.errors import UserError, one_line


class WeightsCard(BaseModel):
    """Record of the origin of an extractor's weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str
    data_digest: str
    shape: tuple[int, int, int]  # (channels, height, width)
    dims: int  # width of the features
    command: str
    epochs: int
    seed: int
    torch: str  # version that trained it
    weights_sha256: str

    @abstractmethod
    def network(self) -> nn.Module:
        """Return the network of this card with random weights."""

    def write(self, folder: Path, weights: bytes) -> None:
        """Write this card, and its weights as the content of a safetensors file, to two files named after the dataset."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self.dataset}.safetensors").write_bytes(weights)
        (folder / f"{self.dataset}.json").write_text(self.model_dump_json(indent=2) + "\n")


SomeCard = TypeVar("SomeCard", bound=WeightsCard)


def read_weights(kind: type[SomeCard], card_file: Traversable, weights_file: Traversable) -> tuple[SomeCard, nn.Module]:
    """Return card and network of an extractor in two files. Raises UserError with the name of a damaged file."""
    try:
        card, weights = card_file.read_bytes(), weights_file.read_bytes()
    except OSError as error:
        raise UserError(f"the extractor card {card_file} cannot be read: {str(error).splitlines()[0]}") from error
    return weights_of(kind, card, weights, card_name=str(card_file), weights_name=str(weights_file))


def weights_of(kind: type[SomeCard], card_json: bytes, weights: bytes, *, card_name: str, weights_name: str) -> tuple[SomeCard, nn.Module]:
    """Return card and network in the content of two files. Raises UserError with the name of a damaged file."""
    try:
        card = kind.model_validate_json(card_json)
    except ValidationError as error:
        raise UserError(f"the extractor card {card_name} cannot be read: {str(error).splitlines()[0]}") from error
    found = hashlib.sha256(weights).hexdigest()
    if found != card.weights_sha256:
        raise UserError(f"the extractor weights {weights_name} are damaged: sha256 {found[:12]}..., expected {card.weights_sha256[:12]}...")
    try:
        network = card.network()
        network.load_state_dict(load(weights))
    except Exception as error:  # torch and safetensors raise their own error types
        raise UserError(f"the extractor card {card_name} does not fit its weights: {one_line(error, most=120)}") from error
    return card, network
