"""Pages of `ganbench show` for registered variants and for a user's variant, as text and as markdown."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from markdown_it import MarkdownIt
from rich.cells import cell_len

from bench.cli.plain_text import WIDTH, plain_text
from bench.cli.show import AUTO, _page
from bench.core.config import DATASETS, VARIANTS, config_for
from bench.core.spec import Batch, Networks, Player, Step, Terms
from bench.training.build import assemble
from bench.training.loop import Trainer
from reports.document import Document, Table
from reports.markdown import markdown

Ganbench = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).parents[3]

OWN = '''
import torch
from torch import nn
from torch.nn.functional import softplus

from bench.core.spec import Latent, LatentRecipe, Networks, Objective, Player, Terms, Variant


class Nets(Networks):
    def __init__(self, z_dim, numbers):
        super().__init__()
        self.generator = nn.Linear(z_dim, numbers)
        self.discriminator = nn.Linear(numbers, 1)

    def draw(self, n, noise, labels=None):
        return Latent(z=torch.randn(n, self.generator.in_features, generator=noise))

    def sample(self, latent):
        return self.generator(latent.z).view(-1, 1, 8, 8)

    def judge(self, data):
        return self.discriminator(data.flatten(1))


def hardest(losses):
    """Return the mean of the ten largest losses. A batch must have at least ten."""
    return losses.flatten().topk(10).values.mean()


class Game(Objective):
    """A game with markup | *in* its docstring."""

    def __init__(self, recipe):
        super().__init__()
        self.players = (
            Player(name="d", modules=("discriminator",), lr=1e-3, loss=self.d, updates=3),
            Player(name="g", modules=("generator",), lr=recipe.lr_g, loss=self.g),
        )

    def d(self, nets, batch, step):
        fake = nets.sample(nets.draw(len(batch), step.noise))
        return Terms(loss=hardest(softplus(-nets.judge(batch.data))) + hardest(softplus(nets.judge(fake))))

    def g(self, nets, batch, step):
        return Terms(loss=softplus(-nets.judge(nets.sample(nets.draw(len(batch), step.noise)))))


class Broken(Game):
    def g(self, nets, batch, step):
        raise ValueError("no\\nluck")


def variant(objective):
    return Variant(
        name="mine", idea="all | mine", paper="none", networks="ours", recipe=LatentRecipe(z_dim=7), objective=objective,
        build=lambda networks, recipe, data: Nets(recipe.z_dim, 64),
    )


MINE = variant(Game)
BROKEN = variant(Broken)
'''


def page(name: str, **settings: object) -> Document:
    return _page(config_for(name, settings), AUTO)


def numbers(text: str) -> list[int]:
    return [int(found.replace(",", "")) for found in re.findall(r"\d[\d,]*", text)]


def tables(document: Document, section: str) -> list[Table]:
    (found,) = [part for part in document.sections if part.id == section]
    return [block for block in found.blocks if isinstance(block, Table)]


def cells(table: Table, column: int) -> list[str]:
    return [row.cells[column].text for row in table.rows]


SOME = ("dcgan", "wgan-gp", "vae", "cgan", "progan")


@pytest.mark.parametrize("name", [pytest.param(name, marks=() if name in SOME else pytest.mark.slow) for name in VARIANTS.names()])
def test_the_page_of_a_variant_is_complete(name: str) -> None:
    document, variant = page(name), VARIANTS.get(name)
    text = plain_text(document)
    assert max(cell_len(line) for line in text.splitlines()) <= WIDTH
    assert "\x1b" not in text
    assert (document.title, document.subtitle) == (name, variant.idea)
    assert "; ".join(cells(tables(document, "losses")[0], 0)) == variant.objective(variant.recipe).formula
    assert _counts_add_up(document, name)
    stated, rest = tables(document, "recipe")
    assert {*cells(stated, 0), *cells(rest, 0)} == set(type(variant.recipe).model_fields)
    assert_locations(document)
    html = MarkdownIt("commonmark").enable("table").render(markdown(document).text)
    assert html.count("<table>") == sum(isinstance(block, Table) for section in document.sections for block in section.blocks)


def _counts_add_up(document: Document, name: str) -> bool:
    """Return whether the page counts the same parameters as the networks, by layer, by player and in total."""
    dataset = next(fact.value for fact in document.facts if fact.label == "Data").partition(":")[0]
    networks, objective = assemble(config_for(name), DATASETS.get(dataset).spec)
    by_layer = [sum(numbers(" ".join(cells(table, 3)))) for table in tables(document, "networks")]
    by_module = {
        module: sum(parameter.numel() for parameter in networks.get_submodule(module).parameters())
        for player in objective.players
        for module in player.modules
    }
    total, *players = numbers(
        next(block.text for section in document.sections for block in section.blocks if "Total: " in getattr(block, "text", ""))
    )
    moved = [sum(by_module[module] for module in player.modules) for player in objective.players]
    return by_layer == list(by_module.values()) and players == moved and total == sum(p.numel() for p in networks.parameters())


def assert_locations(document: Document) -> None:
    """Assert that each line named by the page defines the class, function or entry beside it."""
    parts, functions = tables(document, "code")
    for where, what in [*zip(cells(parts, 0), cells(parts, 1), strict=True), *zip(cells(functions, 0), cells(functions, 1), strict=True)]:
        file, _, line = where.rpartition(":")
        source = (ROOT / file).read_text(encoding="utf-8").splitlines()[int(line) - 1 :]
        kind, _, name = what.rpartition(": ")
        if kind.endswith("entry"):
            assert re.search(r"\bregister\w*\($|\.register\(", source[0]), where
            assert kind == "catalogue entry" or name in " ".join(source[:2]), where
        else:
            defined = next(text for text in source if not text.lstrip().startswith("@"))
            assert re.match(rf"\s*(def|class) {name.rpartition('.')[2]}\b", defined), where


def test_options_and_values_of_the_variant_are_distinguished() -> None:
    stated, rest = tables(page("wgan-gp", **{"recipe.k": 2, "recipe.pack": 2}), "recipe")
    rows = {row.cells[0].text: tuple(cell.text for cell in row.cells[1:4]) for row in stated.rows}
    assert rows["k"] == ("2", "--set", "1")
    assert rows["pack"] == ("2", "--set", "1")
    assert rows["gp"] == ("10", "variant", "0")
    assert "lecam" in cells(rest, 0)


def test_other_networks_are_named_with_the_default() -> None:
    document = page("dcgan", networks="mlp-small")
    assert next(fact.value for fact in document.facts if fact.label == "Networks") == "mlp-small (default: dcgan)"
    assert any("mlp.py" in where for where in cells(tables(document, "code")[0], 0))


def test_the_round_agrees_with_the_trainer() -> None:
    """The page and the trainer agree on the order of the players, their updates and the batch of each update."""
    (players,) = tables(page("wgan"), "round")
    rows = [tuple(cell.text for cell in row.cells[:4]) for row in players.rows]
    assert rows == [("d", "5", "a new batch each", "discriminator"), ("g", "1", "the last batch of d", "generator")]
    assert cells(players, 4)[0].startswith("RMSprop(lr=5e-05")
    calls: list[tuple[str, int]] = []
    batches: list[Batch] = []  # references, so that no two batches have the same address
    trainer = tiny_trainer("wgan")
    for side in trainer.player_states:
        side.player = replace(side.player, loss=_spy(side.player, calls, batches))
    trainer.round()
    assert calls == [("d", 0), ("d", 1), ("d", 2), ("d", 3), ("d", 4), ("g", 4)]


def tiny_trainer(name: str) -> Trainer:
    config = config_for(name, {"recipe.width": 8, "recipe.batch_size": 4})
    digits = DATASETS.get("digits")
    networks, objective = assemble(config, digits.spec)
    return Trainer(
        networks=networks, objective=objective, recipe=config.recipe, data=digits.split("train"), seed=0, device=torch.device("cpu"),
        precision="fp32", budget_images=100,
    )  # fmt: skip


def _spy(player: Player, calls: list[tuple[str, int]], batches: list[Batch]) -> Callable[[Networks, Batch, Step], Terms]:
    """Return a player's loss that also records (player, batch number) in `calls`. Batches are numbered in the order of their first use."""

    def loss(networks: Networks, batch: Batch, step: Step) -> Terms:
        if not any(batch is known for known in batches):
            batches.append(batch)
        calls.append((player.name, next(index for index, known in enumerate(batches) if known is batch)))
        return player.loss(networks, batch, step)

    return loss


def test_the_verb_prints_text_or_markdown_and_writes_nothing(ganbench: Ganbench) -> None:
    status, out, err = ganbench("show", "dcgan", "--set", "recipe.width=8")
    assert (status, err) == (0, "")
    assert "D: -log σ(r) - log(1 - σ(f))" in out
    status, out, _ = ganbench("show", "dcgan", "--dataset", "digits", "--markdown")
    assert status == 0
    assert "| `D: -log σ(r) - log(1 - σ(f))` |" in out
    assert "digits: image, 1 x 8 x 8" in out
    assert not list(Path.cwd().iterdir())


def test_networks_of_points_select_a_dataset_of_points(ganbench: Ganbench) -> None:
    assert "ring8: points, 2, 8 classes" in ganbench("show", "gan-2d")[1]


@pytest.fixture
def own(ganbench: Ganbench, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a user's module to the working folder, and return its file."""
    module = Path.cwd() / "games_of_mine.py"
    module.write_text(OWN, encoding="utf-8")
    monkeypatch.syspath_prepend(module.parent)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delitem(sys.modules, "games_of_mine", raising=False)
    return module


def test_the_page_of_a_user_s_variant(ganbench: Ganbench, own: Path) -> None:
    status, out, err = ganbench("show", "games_of_mine:MINE", "--dataset", "digits")
    assert (status, err) == (0, "")
    lines = own.read_text(encoding="utf-8").splitlines()
    for words in ("MINE = variant(Game)", "class Game(Objective):", "def hardest(losses):", "class Nets(Networks):"):
        assert f"games_of_mine.py:{lines.index(words) + 1} " in out, words
    assert re.search(r"Total: 577 parameters; d trains 65; g trains 512\b", out)
    assert re.search(r"z_dim +7 +variant +100", out)
    status, out, _ = ganbench("show", "games_of_mine:MINE", "--dataset", "digits", "--markdown")
    assert status == 0
    assert r"A game with markup \| \*in\* its docstring." in out


def test_a_failing_loss_is_one_line(ganbench: Ganbench, own: Path) -> None:
    status, out, err = ganbench("show", "games_of_mine:BROKEN", "--dataset", "digits")
    assert (status, out) == (2, "")
    assert len(err.strip().splitlines()) == 1
    assert "Broken" in err
    assert "no luck" in err
