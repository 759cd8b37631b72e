"""Optimisers and schedules: what a recipe asks for is what torch is told."""

import pytest
import torch

from pneumonia.networks.classifier import build
from pneumonia.networks.spec import NetworkSpec
from train.loop.frozen import TrainableLayers
from train.loop.optim import make_optimiser, make_schedule
from train.recipes.sections import Optimiser, Schedule


def layers() -> TrainableLayers:
    return TrainableLayers(build(NetworkSpec("resnet18", outputs=2)), 0)


def make(model: TrainableLayers, new: tuple[str, ...], recipe: Optimiser) -> torch.optim.Optimizer:
    return make_optimiser(model, lambda name: model.part_of(name, new), recipe)


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
    made = make(layers(), ("layer4",), recipe(name, weight_decay=0.1))
    assert type(made) is kind
    assert [group["lr"] for group in made.param_groups] == [3e-4, 3e-4, 2e-4, 2e-4, 1e-4, 1e-4]
    assert [group["weight_decay"] for group in made.param_groups] == [0.1, 0.0] * 3


@pytest.mark.parametrize("name", ["sgd", "rmsprop"])
def test_momentum_reaches_the_optimiser(name) -> None:
    made = make(layers(), (), recipe(name, momentum=0.9))
    assert {group["momentum"] for group in made.param_groups} == {0.9}


def rates(schedule: Schedule, epochs: int, steps_per_epoch: int = 4) -> list[float]:
    """The head's rate in the first step of each epoch."""
    optimiser = make(layers(), (), recipe("sgd", head_rate=1.0))
    set_rates = make_schedule(optimiser, schedule, epochs, steps_per_epoch)
    found = []
    for _ in range(epochs):
        found.append(round(optimiser.param_groups[0]["lr"], 6))
        for _ in range(steps_per_epoch):
            optimiser.step()
            set_rates.step()
    return found


def test_steps_fall_after_so_many_epochs() -> None:
    found = rates(Schedule("step", every=2, factor=0.1), 6)
    assert found == [1.0, 1.0, 0.1, 0.1, 0.01, 0.01]


def test_a_cosine_ends_near_nothing() -> None:
    found = rates(Schedule("cosine"), 5)
    assert found[0] == 1.0
    assert found == sorted(found, reverse=True)
    assert 0 < found[-1] < 0.15


def test_a_schedule_goes_on_where_it_was() -> None:
    schedule = Schedule("step", every=1)
    first, second = (make(layers(), (), recipe("sgd")) for _ in range(2))
    before = make_schedule(first, schedule, 4, 2)
    for _ in range(4):
        first.step()
        before.step()
    after = make_schedule(second, schedule, 4, 2)
    after.load_state_dict(before.state_dict())
    second.load_state_dict(first.state_dict())
    assert after.state_dict() == before.state_dict()
    assert second.param_groups[0]["lr"] == first.param_groups[0]["lr"] < 3e-4
