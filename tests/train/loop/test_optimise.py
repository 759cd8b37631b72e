"""Optimisers and schedules: what a recipe asks for is what torch is told."""

import pytest
import torch

from pneumonia.networks.classifier import NetworkSpec, build
from train.loop.optimise import Rates, make_optimiser
from train.loop.tail import Tail
from train.recipes.sections import Optimiser, Schedule


def tail(architecture: str = "resnet18", auxiliary: bool = False) -> Tail:
    return Tail(build(NetworkSpec(architecture, outputs=2), auxiliary=auxiliary), 0)


def recipe(name: str, **changes: float) -> Optimiser:
    values = {"learning_rate": 1e-4, "new_layer_rate": 2e-4, "head_rate": 3e-4} | changes
    return Optimiser(name=name, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("adamw", torch.optim.AdamW),
        ("adam", torch.optim.Adam),
        ("adagrad", torch.optim.Adagrad),
        ("rmsprop", torch.optim.RMSprop),
        ("sgd", torch.optim.SGD),
    ],
)
def test_each_optimiser_is_torchs_with_three_rates(name, kind) -> None:
    made = make_optimiser(tail(), ("layer4",), recipe(name, weight_decay=0.1))
    assert type(made) is kind
    assert [group["lr"] for group in made.param_groups] == [3e-4, 3e-4, 2e-4, 2e-4, 1e-4, 1e-4]
    assert [group["weight_decay"] for group in made.param_groups] == [0.1, 0.0] * 3


@pytest.mark.parametrize("name", ["sgd", "rmsprop"])
def test_momentum_reaches_the_optimiser(name) -> None:
    made = make_optimiser(tail(), (), recipe(name, momentum=0.9))
    assert {group["momentum"] for group in made.param_groups} == {0.9}


def test_classifiers_on_the_side_learn_as_fresh_layers_do() -> None:
    network = tail("googlenet", auxiliary=True)
    made = make_optimiser(network, (), recipe("sgd"))
    rates = {id(p): group["lr"] for group in made.param_groups for p in group["params"]}
    found = {rates[id(p)] for n, p in network.named_parameters() if n.startswith("auxiliary.")}
    assert found == {2e-4}


def rates(schedule: Schedule, scores: list[float], steps_per_epoch: int = 4) -> list[float]:
    """The head's rate in the first step of each epoch."""
    optimiser = make_optimiser(tail(), (), recipe("sgd", head_rate=1.0))
    schedule_ = Rates(optimiser, schedule, len(scores), steps_per_epoch)
    found = []
    for score in scores:
        found.append(round(optimiser.param_groups[0]["lr"], 6))
        for _ in range(steps_per_epoch):
            optimiser.step()
            schedule_.after_step()
        schedule_.after_epoch(score)
    return found


def test_steps_fall_after_so_many_epochs() -> None:
    found = rates(Schedule("step", every=2, factor=0.1), [0.0] * 6)
    assert found == [1.0, 1.0, 0.1, 0.1, 0.01, 0.01]


def test_a_plateau_falls_when_nothing_improves() -> None:
    found = rates(Schedule("plateau", factor=0.5, patience=1), [0.7, 0.8, 0.8, 0.8, 0.9, 0.9])
    assert found == [1.0, 1.0, 1.0, 1.0, 0.5, 0.5]


def test_a_plateau_of_a_loss_falls_too() -> None:
    found = rates(Schedule("plateau", factor=0.5, patience=1), [-0.7, -0.5, -0.5, -0.5, -0.4, -0.4])
    assert found == [1.0, 1.0, 1.0, 1.0, 0.5, 0.5]


def test_a_cosine_ends_near_nothing() -> None:
    found = rates(Schedule("cosine"), [0.0] * 5)
    assert found[0] == 1.0
    assert found == sorted(found, reverse=True)
    assert 0 < found[-1] < 0.15


@pytest.mark.parametrize("name", ["step", "plateau"])
def test_a_schedule_goes_on_where_it_was(name) -> None:
    schedule = Schedule(name, every=1 if name == "step" else 0)
    first, second = (make_optimiser(tail(), (), recipe("sgd")) for _ in range(2))
    before = Rates(first, schedule, 4, 2)
    for score in (0.9, 0.8):
        for _ in range(2):
            first.step()
            before.after_step()
        before.after_epoch(score)
    after = Rates(second, schedule, 4, 2)
    after.load_state_dict(before.state_dict())
    second.load_state_dict(first.state_dict())
    assert after.state_dict() == before.state_dict()
    assert second.param_groups[0]["lr"] == first.param_groups[0]["lr"] < 3e-4
