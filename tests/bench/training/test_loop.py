"""The training loop on a tiny model of every kind. A resumed run equals an uninterrupted one bit for bit."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import tiny
import torch

from bench.core import serialization
from bench.core.errors import UserError
from bench.core.spec import Batch, Networks, Objective, Player, Progress, Step, Terms
from bench.training.build import _check_players
from bench.training.loop import Trainer, train

EVERY_KIND = pytest.mark.parametrize("kind", tiny.KINDS)
MARKS = [200, 400, 600]


def weights(trainer: Trainer) -> torch.Tensor:
    return torch.cat([value.double().flatten() for value in trainer.networks.state_dict().values()])


def finish(trainer: Trainer, marks: list[int] | None = None) -> list[Progress]:
    return list(train(trainer, MARKS if marks is None else marks))


@EVERY_KIND
def test_trains_every_kind_and_gradients_reach_every_parameter(kind: str) -> None:
    trainer = tiny.trainer(kind)
    _check_players(trainer.networks, trainer.objective)
    before = {name: value.clone() for name, value in trainer.networks.named_parameters()}
    last = finish(trainer)[-1]
    assert last.images >= 800
    assert last.diverged is None
    for name, value in trainer.networks.named_parameters():
        assert not torch.equal(value, before[name]), name


@EVERY_KIND
@pytest.mark.parametrize("half_life", [0, 200])
def test_a_resumed_run_is_bit_identical(kind: str, half_life: int, tmp_path: Path) -> None:
    whole = tiny.trainer(kind, ema_half_life_images=half_life)
    expected = finish(whole)

    stopped = tiny.trainer(kind, ema_half_life_images=half_life)
    progress = train(stopped, MARKS, pause=lambda: stopped.images >= 300)
    items = list(itertools.takewhile(lambda item: item.mark, progress))  # up to the first pause
    serialization.save(stopped.state_dict(), tmp_path / "state")
    torch.rand(7)  # other use of torch's generator must not change the run
    resumed = tiny.trainer(kind, seed=0, ema_half_life_images=half_life)
    resumed.load_state_dict(serialization.load(tmp_path / "state"))
    items += finish(resumed)

    assert torch.equal(weights(resumed), weights(whole))
    assert [item.scalars for item in items] == [item.scalars for item in expected]
    if half_life:
        for mine, theirs in zip(resumed.eval_networks.state_dict().values(), whole.eval_networks.state_dict().values(), strict=True):
            assert torch.equal(mine, theirs)


def test_marks_and_pauses_change_no_number() -> None:
    plain, watched = tiny.trainer("conditional"), tiny.trainer("conditional")
    finish(plain, [])
    for _ in train(watched, range(1, 800, 50), pause=lambda: True):
        torch.rand(3)
        watched.networks.eval()
        watched.networks.sample(watched.networks.draw(4, torch.Generator().manual_seed(1)))
        watched.networks.train()
    assert torch.equal(weights(plain), weights(watched))


def test_a_pause_resets_no_mean() -> None:
    plain, paused = tiny.trainer("vae"), tiny.trainer("vae")
    expected = [item.scalars for item in finish(plain)]
    items = list(train(paused, MARKS, pause=lambda: True))
    assert [item.scalars for item in items if item.mark] == expected
    assert any(not item.mark for item in items)


def test_the_outer_random_state_is_left_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    finish(tiny.trainer("conditional"))
    assert torch.equal(torch.rand(3), expected)


def test_k_updates_of_the_first_player_with_fresh_data_each() -> None:
    trainer = tiny.trainer("conditional", budget_images=160)
    last = finish(trainer, [])[-1]
    assert last.images == 160
    assert last.updates == {"d": 20, "g": 10}
    assert trainer.batches.position == 20


def test_stops_at_the_first_round_at_or_past_the_budget() -> None:
    trainer = tiny.trainer("conditional", budget_images=150)  # a round is 16 images
    assert finish(trainer, [])[-1].images == 160


def test_a_budget_in_seconds_ends_at_the_first_round_past_it_on_the_training_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    now = itertools.count()
    monkeypatch.setattr("bench.training.loop.time.perf_counter", lambda: float(next(now)))  # a second passes whenever the clock is read
    trainer = tiny.trainer("conditional", budget_images=None, budget_seconds=20.0)
    assert trainer._step(trainer.player_states[0]).budget_images is None
    items = finish(trainer, [5.0, 10.0, 999.0])
    assert [item.mark for item in items] == [True, True, True]
    assert [low <= item.position == item.train_seconds < low + 4 for low, item in zip((5, 10, 20), items, strict=True)] == [True] * 3
    assert items[-1].share >= 1 > items[-2].share
    assert all(item.scalars["grad_norm_g"] > 0 for item in items)


def test_the_end_on_the_clock_is_a_mark_even_when_a_pause_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    now = itertools.count()
    monkeypatch.setattr("bench.training.loop.time.perf_counter", lambda: float(next(now)))
    trainer = tiny.trainer("conditional", budget_images=None, budget_seconds=20.0)
    last = list(train(trainer, [], pause=lambda: True))[-1]
    assert last.mark
    assert last.scalars["loss_g"] != 0
    assert last.share >= 1


def test_a_budget_is_in_one_unit() -> None:
    for budgets in ({"budget_images": 1, "budget_seconds": 1.0}, {"budget_images": None}):
        with pytest.raises(ValueError, match="give exactly one of them"):
            tiny.trainer("conditional", **budgets)


def test_a_frozen_opponent_gets_no_gradient() -> None:
    trainer = tiny.trainer("conditional")
    requires_grad: list[bool] = []

    def spy(networks: Networks, batch: Batch, step: Step) -> Terms:
        requires_grad.append(any(parameter.requires_grad for parameter in networks.get_submodule("discriminator").parameters()))
        return trainer.objective.g(networks, batch, step)

    _d, g = trainer.player_states
    g.player = Player(name="g", modules=g.player.modules, lr=g.player.lr, loss=spy)
    with trainer.running():
        trainer.round()
    assert requires_grad == [False]
    assert all(parameter.requires_grad for parameter in trainer.networks.parameters())


def test_parameters_are_unfrozen_when_a_loss_raises() -> None:
    trainer = tiny.trainer("conditional")

    def broken(networks: Networks, batch: Batch, step: Step) -> Terms:
        raise RuntimeError("broken")

    g = trainer.player_states[1]
    g.player = Player(name="g", modules=g.player.modules, lr=g.player.lr, loss=broken)
    with pytest.raises(RuntimeError, match="broken"):
        finish(trainer)
    assert all(parameter.requires_grad for parameter in trainer.networks.parameters())


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_a_bad_loss_ends_the_run_as_diverged(bad: float) -> None:
    trainer = tiny.trainer("vae")
    whole = trainer.player_states[0].player

    def loss(networks: Networks, batch: Batch, step: Step) -> Terms:
        terms = whole.loss(networks, batch, step)
        return Terms(loss=terms.loss * bad if step.images > 450 else terms.loss)

    trainer.player_states[0].player = Player(name="g", modules=whole.modules, lr=whole.lr, loss=loss)
    items = finish(trainer)
    assert [item.images for item in items] == [200, 400, 600]
    assert [item.diverged is None for item in items] == [True, True, False]
    assert "loss_g is" in str(items[-1].diverged)


def test_a_bad_weight_ends_the_run_as_diverged() -> None:
    trainer = tiny.trainer("vae")
    whole = trainer.player_states[0].player

    def ruin(networks: Networks, terms: Terms, step: Step) -> None:
        if step.images == 200:
            next(networks.parameters()).data[0] = float("inf")

    trainer.player_states[0].player = Player(name="g", modules=whole.modules, lr=whole.lr, loss=whole.loss, after=ruin)
    assert finish(trainer)[-1].diverged == "a weight is not finite at 200 images"


def test_growth_shows_both_players_the_same_resolution() -> None:
    trainer = tiny.trainer("growth")
    sizes: list[tuple[str, int]] = []
    for player_state in trainer.player_states:
        loss, name = player_state.player.loss, player_state.player.name

        def spy(networks: Networks, batch: Batch, step: Step, loss=loss, name=name) -> Terms:  # type: ignore[no-untyped-def]
            sizes.append((name, batch.data.shape[-1]))
            return loss(networks, batch, step)

        player_state.player = Player(
            name=name, modules=player_state.player.modules, lr=player_state.player.lr, loss=spy, updates=player_state.player.updates
        )
    finish(trainer)
    assert {size for _, size in sizes} == {4, 8}
    rounds = [sizes[start : start + 3] for start in range(0, len(sizes), 3)]
    assert all(names[1][1] == names[2][1] for names in rounds)


def test_rates_fall_linearly_by_position() -> None:
    trainer = tiny.trainer("vae", decay_from=0.5)
    (base,), rates = {state.player.lr for state in trainer.player_states}, []
    while trainer.images < trainer.budget:
        share = trainer.images / trainer.budget
        trainer.round()
        rates.append(trainer.player_states[0].optimiser.param_groups[0]["lr"])
        assert rates[-1] == pytest.approx(base * min(1.0, 2 * (1 - share)))
    assert rates[0] == base > rates[-1] > 0


def test_a_player_without_terms_makes_no_update() -> None:
    trainer = tiny.trainer("vae")
    whole = trainer.player_states[0].player
    skipped = Player(name="g", modules=whole.modules, lr=whole.lr, loss=lambda networks, batch, step: None)
    before = [parameter.clone() for parameter in trainer.networks.parameters()]
    trainer.player_states[0].player = skipped
    trainer.round()
    assert trainer.updates == {"g": 0}
    assert trainer.images > 0
    assert all(torch.equal(a, b) for a, b in zip(before, trainer.networks.parameters(), strict=True))
    trainer.player_states[0].player = whole
    trainer.round()
    assert trainer.updates == {"g": 1}


def test_the_schedule_steps_by_epoch() -> None:
    trainer = tiny.trainer("vae", schedule="step", schedule_epochs=2, schedule_gamma=0.1)  # 12 batches an epoch
    rates = [item.scalars["lr_g"] for item in finish(trainer, [96, 192, 288, 384, 480])]
    assert rates[:5] == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4, 1e-5])


def test_scalars_are_means_since_the_last_mark() -> None:
    trainer = tiny.trainer("vae")
    losses: list[float] = []
    whole = trainer.player_states[0].player

    def loss(networks: Networks, batch: Batch, step: Step) -> Terms:
        terms = whole.loss(networks, batch, step)
        losses.append(terms.loss.mean().item())
        return terms

    trainer.player_states[0].player = Player(name="g", modules=whole.modules, lr=whole.lr, loss=loss)
    first, second, *_ = finish(trainer)
    assert first.scalars["loss_g"] == pytest.approx(sum(losses[:25]) / 25, rel=1e-5)
    assert second.scalars["loss_g"] == pytest.approx(sum(losses[25:50]) / 25, rel=1e-5)
    assert first.scalars["grad_norm_g"] > 0


def test_the_clock_stands_still_at_a_yield(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("bench.training.loop.time.perf_counter", lambda: now[0])
    trainer = tiny.trainer("vae")
    for progress in train(trainer, MARKS):
        now[0] += 100.0
        assert progress.train_seconds == 0.0


def test_the_clock_runs_until_the_device_has_done_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock includes queued kernels, both at an evaluation point and at a pause."""
    clock, waited = [0.0], []

    def synchronise(device: torch.device) -> None:
        waited.append(device)
        clock[0] += 5.0  # the time of the queued kernels

    monkeypatch.setattr("bench.training.loop.time.perf_counter", lambda: clock[0])
    monkeypatch.setattr("bench.training.loop.synchronise", synchronise)
    small = tiny.trainer("vae", budget_images=4 * 8)
    items = list(train(small, [], pause=lambda: True))
    assert [item.mark for item in items] == [False, False, False, True]
    assert [item.train_seconds for item in items] == [5.0, 10.0, 15.0, 20.0]
    assert waited == [small.device] * 4


def test_too_few_examples_for_a_batch_is_a_user_error() -> None:
    with pytest.raises(UserError, match=r"recipe\.batch_size: 500 is more than the 96"):
        tiny.trainer("vae", batch_size=500)


def test_a_parameter_without_a_player_is_refused() -> None:
    networks = tiny.VaeNets()
    objective = Objective()
    objective.players = (Player(name="g", modules=("decoder",), lr=1.0, loss=tiny.VaeObjective().g),)
    with pytest.raises(UserError, match=r"Objective needs a player that trains encoder\.0\.weight and 3 more"):
        _check_players(networks, objective)
