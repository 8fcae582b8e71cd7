"""Parameter counts of shared, parametrized and nested modules in the tables of layers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from bench.cli.variant_networks import networks_blocks, shape
from bench.cli.variant_trace import Trace, trace
from bench.core.spec import Batch, DataShape, Latent, Networks, Objective, Player, Recipe, Step, Terms
from bench.training.loop import PlayerState
from reports.document import Cell, Table

POINTS = DataShape(kind="points", shape=(2,))


class Scale(nn.Module):
    """Linear layer with a learned factor."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.ones(2))
        self.inner = nn.Linear(2, 2)

    def forward(self, data: Tensor) -> Tensor:
        return self.inner(data) * self.factor


class Nets(Networks):
    def __init__(self) -> None:
        super().__init__()
        tied = nn.Linear(2, 2, bias=False)
        self.generator = nn.Sequential(tied, nn.ReLU(), tied, Scale(), Scale())
        self.discriminator = spectral_norm(nn.Linear(2, 1))

    def draw(self, n: int, noise: torch.Generator, labels: Tensor | None = None) -> Latent:
        return Latent(z=torch.randn((n, 2), generator=noise))

    def sample(self, latent: Latent) -> Tensor:
        return self.generator(latent.z)


class Game(Objective):
    def __init__(self) -> None:
        super().__init__()
        self.players = (
            Player(name="d", modules=("discriminator",), lr=1.0, loss=self.loss),
            Player(name="g", modules=("generator",), lr=1.0, loss=self.loss),
        )

    def loss(self, networks: Networks, batch: Batch, step: Step) -> Terms:
        return Terms(loss=networks.get_submodule("discriminator")(networks.sample(networks.draw(4, step.noise))))


@pytest.fixture
def tables() -> dict[str, dict[str, tuple[Cell, ...]]]:
    """Return the cells of each row, by a player's module and by the name of the layer."""
    networks, objective, recipe = Nets(), Game(), Recipe()
    found: Trace = trace(networks, objective, recipe, POINTS, set())
    blocks = networks_blocks(networks, found, [PlayerState(player, networks, recipe) for player in objective.players])
    rows = [{row.cells[0].text: row.cells for row in block.rows} for block in blocks if isinstance(block, Table)]
    return dict(zip(("discriminator", "generator"), rows, strict=True))


def test_shared_weights_count_once_and_inner_layers_count_separately(tables: dict[str, dict[str, tuple[Cell, ...]]]) -> None:
    rows = tables["generator"]
    assert {name: row[3].text for name, row in rows.items()} == {"0": "4", "1": "", "3": "2", "3.inner": "6", "4": "2", "4.inner": "6"}
    assert rows["3"][1].text == "Scale(factor 2)"


def test_a_parametrization_is_named_and_is_no_layer(tables: dict[str, dict[str, tuple[Cell, ...]]]) -> None:
    (row,) = tables["discriminator"].values()
    assert row[1].text.startswith("Linear(in_features=2, out_features=1")
    assert row[1].text.endswith("SpectralNorm")
    assert (row[2].text, row[3].text) == ("1", "3")


def test_a_class_of_modules_is_described_once(tables: dict[str, dict[str, tuple[Cell, ...]]]) -> None:
    rows = tables["generator"]
    assert rows["3"][1].detail.startswith("Linear layer with a learned factor.")
    assert [name for name, row in rows.items() if row[1].detail] == ["3"]


def test_a_shape_is_written_with_its_sides() -> None:
    assert shape((3, 8, 8)) == "3 x 8 x 8"
    assert shape(()) == "1"
