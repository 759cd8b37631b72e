"""The published systems as recipes: the facts of each paper, so that no edit loses one unseen."""

import re
from typing import Any, NamedTuple

import pytest
import torch
from torch import nn

from pneumonia.networks.classifier import build
from pneumonia.networks.spec import NetworkSpec
from train.recipes import recipe
from train.recipes.recipe import Recipe
from train.recipes.sections import Augmentation

OURS = ("default", "lungs")
FOUR = ("xraychestnet", "vgg16", "resnext50", "googlenet")
MAO = ("inception_v3", "inception_v3-3", "xception", "xception-3")
PUBLISHED = (
    "pneunet",
    "densenet161",
    "resnet18",
    *(name + optimiser for name in FOUR for optimiser in ("", "-adam", "-adagrad")),
    *MAO,
    "kermany2018",
)


def load(name: str) -> Recipe:
    found = recipe.load(name)
    assert isinstance(found, Recipe)
    return found


class Facts(NamedTuple):
    """What a paper says of its network and its training, or what we filled in for it."""

    architecture: str
    linear: tuple[int, ...]  # outputs of every linear layer after the pooling
    dropout: float
    loss: str
    trainable: str
    epochs: int
    batch_size: int
    size: int
    split: tuple[str, float, float, str]  # scheme, validation, held out, by
    augmentation: Augmentation
    sampling: str = "all"


BY_PATIENT = ("ratio", 0.12, 0.0, "patient")
RESPLIT = ("resplit", 0.0, 0.0, "film")
FEW = Augmentation(flip=0.5, rotation_degrees=10)
MAOS = Augmentation(flip=0.5, rotation_degrees=20, brightness=0.2)
SOFTMAX, BINARY, HEAD = "cross_entropy", "binary_cross_entropy", "head"
FACTS = {
    "pneunet": Facts(
        "resnet50-v1", (50, 1), 0.5, "focal", HEAD, 100, 16, 224, BY_PATIENT,
        Augmentation(flip=0.5, rotation_degrees=15),
    ),
    "densenet161": Facts(
        "densenet161", (2,), 0.0, SOFTMAX, "denseblock4", 20, 32, 224,
        ("ratio", 0.1, 0.1, "film"), FEW,
    ),
    "resnet18": Facts(
        "resnet18", (2,), 0.0, SOFTMAX, HEAD, 25, 32, 224, ("ratio", 0.2, 0.1, "film"),
        Augmentation(flip=0.5, rotation_degrees=10, scale=0.1), "oversampling",
    ),
    "xraychestnet": Facts(
        "xraychestnet", (50, 2), 0.2, SOFTMAX, "all", 30, 32, 224, BY_PATIENT, FEW
    ),
    "vgg16": Facts(
        "vgg16", (4096, 4096, 2), 0.5, SOFTMAX, HEAD, 20, 32, 224, BY_PATIENT, FEW
    ),
    "resnext50": Facts("resnext50_32x4d", (2,), 0.0, SOFTMAX, HEAD, 20, 32, 224, BY_PATIENT, FEW),
    "googlenet": Facts("googlenet", (2,), 0.4, SOFTMAX, HEAD, 20, 32, 224, BY_PATIENT, FEW),
    "inception_v3": Facts(
        "inception_v3-tf", (1024, 512, 1), 0.0, BINARY, HEAD, 50, 64, 300, RESPLIT, MAOS,
        "undersampling",
    ),
    "inception_v3-3": Facts(
        "inception_v3-tf", (1024, 512, 3), 0.0, SOFTMAX, HEAD, 400, 1000, 300, RESPLIT, MAOS,
        "undersampling",
    ),
    "xception": Facts(
        "xception", (1024, 512, 1), 0.0, BINARY, HEAD, 50, 64, 300, RESPLIT, MAOS, "undersampling"
    ),
    "xception-3": Facts(
        "xception", (1024, 512, 3), 0.0, SOFTMAX, HEAD, 400, 1000, 300, RESPLIT, MAOS,
        "undersampling",
    ),
    "kermany2018": Facts(
        "inception_v3-tf", (2,), 0.0, SOFTMAX, HEAD, 100, 1000, 299, BY_PATIENT, Augmentation()
    ),
}  # fmt: skip
OPTIMISERS = {  # name, rate of the head, momentum
    "pneunet": ("rmsprop", 1e-3, 0.0),
    **dict.fromkeys(("densenet161", "resnet18", *MAO, "kermany2018"), ("adam", 1e-3, 0.0)),
    **dict.fromkeys(FOUR, ("sgd", 1e-3, 0.9)),
    **{f"{name}-adam": ("adam", 1e-3, 0.0) for name in FOUR},
    **{f"{name}-adagrad": ("adagrad", 1e-2, 0.0) for name in FOUR},
}
ACCURACY = {
    "pneunet": 0.9006,
    "densenet161": 0.8974,
    "resnet18": 0.8141,
    "xraychestnet": 0.6250,
    "xraychestnet-adam": 0.6250,
    "xraychestnet-adagrad": 0.7404,
    "vgg16": 0.8926,
    "vgg16-adam": 0.6250,
    "vgg16-adagrad": 0.8590,
    "resnext50": 0.9503,
    "resnext50-adam": 0.8125,
    "resnext50-adagrad": 0.9551,
    "googlenet": 0.8926,
    "googlenet-adam": 0.8365,
    "googlenet-adagrad": 0.9375,
    "inception_v3": 0.9144,
    "inception_v3-3": 0.8378,
    "kermany2018": 0.928,
}


def test_every_published_system_has_its_recipe() -> None:
    assert set(recipe.names()) == {*PUBLISHED, *OURS}
    assert len(PUBLISHED) == 20


# --- prose and figures --------------------------------------------------------------------------


@pytest.mark.parametrize("name", PUBLISHED)
def test_it_names_its_paper_and_says_what_differs(name) -> None:
    own = load(name)
    assert re.search(r"'.+'", own.paper), "the paper's title stands in quotes"
    assert len(own.reported) > 40
    assert "done otherwise: " in own.differs
    assert "left open and filled: " in own.differs or "assumed: " in own.differs
    assert "  " not in own.differs + own.reported, "a continued line lost or doubled a space"
    assert "\n" not in own.differs + own.reported + own.paper


@pytest.mark.parametrize("name", PUBLISHED)
def test_its_figures_stand_in_its_prose(name) -> None:
    own = load(name)
    assert own.figures.get("accuracy") == ACCURACY.get(name)
    for figure, value in own.figures.items():
        written = rf"(?<![\d.]){re.escape(f'{value:g}')}0?(?!\d)"
        assert re.search(written, own.reported), f"{figure} {value} is not in: {own.reported}"


def test_only_what_gives_no_figure_of_its_own_has_none() -> None:
    # The paper tried Xception and tabulated Inception-v3.
    assert [name for name in PUBLISHED if not load(name).figures] == ["xception", "xception-3"]


def counted(tn: int, fp: int, fn: int, tp: int) -> dict[str, float]:
    f1, normal_f1 = 2 * tp / (2 * tp + fp + fn), 2 * tn / (2 * tn + fp + fn)
    return {
        "accuracy": (tp + tn) / (tn + fp + fn + tp),
        "precision": tp / (tp + fp),
        "sensitivity": tp / (tp + fn),
        "specificity": tn / (tn + fp),
        "f1": f1,
        "macro_f1": (f1 + normal_f1) / 2,
    }


def test_resnet18s_figures_are_those_of_its_confusion_matrix() -> None:
    found = counted(tn=126, fp=108, fn=8, tp=382)
    assert load("resnet18").figures == {name: round(value, 4) for name, value in found.items()}


def test_densenet161s_figures_fit_one_confusion_matrix() -> None:
    found = counted(tn=180, fp=54, fn=10, tp=380)
    digits = {name: 4 if name == "accuracy" else 2 for name in found}
    rounded = {name: round(value, digits[name]) for name, value in found.items()}
    assert load("densenet161").figures == rounded


def test_the_contradictions_that_the_prose_names() -> None:
    most = 2 * 148 / (2 * 148 + 19)  # 222 films, 203 right, all 148 pneumonias among them
    assert (round(203 / 222, 4), round(most, 3)) == (0.9144, 0.940)
    assert "19 errors allow an F1 of 0.940 at most" in load("inception_v3").reported
    accuracy = (0.932 * 390 + 0.901 * 234) / 624
    assert round(accuracy, 3) == 0.920
    assert "an accuracy of 0.920, not 0.928" in load("kermany2018").differs
    for name in ("xraychestnet", "xraychestnet-adam", "vgg16-adam"):
        assert load(name).figures["accuracy"] == 390 / 624
        assert "0.7429" in load(name).reported
        assert "what 'pneumonia' said of every film gives" in load(name).reported
    assert round(3875 / 5216, 4) == 0.7429


# --- what is trained, and how -------------------------------------------------------------------


def base_of(name: str) -> str:
    return re.sub(r"-(adam|adagrad)$", "", name)


def facts_of(own: Recipe) -> Facts:
    split, training = own.split, own.training
    return Facts(
        architecture=own.network.architecture,
        linear=FACTS[base_of(own.name)].linear,  # held against the network itself below
        dropout=own.network.dropout,
        loss=own.loss.name,
        trainable=training.trainable,
        epochs=training.epochs,
        batch_size=training.batch_size,
        size=own.preprocess.size,
        split=(split.scheme, split.fraction, split.test, split.by),
        augmentation=own.augmentation,
        sampling=training.sampling,
    )


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_papers_facts(name) -> None:
    own = load(name)
    assert facts_of(own) == FACTS[base_of(name)]
    optimiser = own.optimiser
    assert (optimiser.name, optimiser.head_rate, optimiser.momentum) == OPTIMISERS[name]
    assert optimiser.weight_decay == 0
    assert own.split.seed == 2026
    assert (own.preprocess.crop, own.preprocess.grid) == ("film", 224)
    assert own.preprocess.window == (0.0, 100.0)


def test_what_one_paper_alone_does() -> None:
    focal = load("pneunet").loss
    assert (focal.alpha, focal.gamma) == (0.25, 2.0)
    assert (load("pneunet").training.monitor, load("pneunet").training.patience) == ("loss", 8)
    assert load("densenet161").loss.class_weights == "balanced"
    resnet18 = load("resnet18")
    assert resnet18.statistics == "dataset"
    training = resnet18.training
    assert (training.unfreeze_after, training.unfreeze_from) == (5, "layer4")
    assert training.patience > training.unfreeze_after  # it cannot stop before the second phase
    assert resnet18.optimiser.learning_rate < resnet18.optimiser.head_rate
    others = [load(name) for name in PUBLISHED if name not in ("resnet18", "densenet161")]
    assert {own.statistics for own in others} == {"given"}
    assert {own.training.unfreeze_from for own in others} == {""}
    assert {own.loss.class_weights for own in others} == {"none"}


@pytest.mark.parametrize("name", [*FOUR, "resnet18"])
def test_rates_fall_to_a_tenth_every_seven_epochs(name) -> None:
    schedule = load(name).schedule
    assert (schedule.name, schedule.every, schedule.factor) == ("step", 7, 0.1)


def test_inputs_are_scaled_as_the_pretrained_networks_want_them() -> None:
    halves = {name for name in PUBLISHED if load(name).preprocess.mean == (0.5, 0.5, 0.5)}
    assert {base_of(name) for name in halves} == {"googlenet", "kermany2018", *MAO}
    assert {load(name).preprocess.std for name in halves} == {(0.5, 0.5, 0.5)}


@pytest.mark.parametrize("optimiser", ["adam", "adagrad"])
@pytest.mark.parametrize("name", FOUR)
def test_the_optimisers_differ_in_nothing_else(name, optimiser) -> None:
    def rest(own: Recipe) -> dict[str, Any]:
        said = ("name", "title", "reported", "figures", "optimiser")
        return {key: value for key, value in own.as_dict().items() if key not in said}

    assert rest(load(f"{name}-{optimiser}")) == rest(load(name))


# --- splits -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_leak_is_named_and_one_setting_mends_it(name) -> None:
    own = load(name)
    leaks = own.split.by == "film"
    assert ("leak, as in the paper" in own.differs) == leaks
    assert ("--set split.by=patient" in own.differs) == leaks
    mended = own.with_changes({"split.by": "patient"})
    assert mended.split.by == "patient"
    assert (mended == own) == (not leaks)


@pytest.mark.parametrize("name", [n for n in PUBLISHED if load(n).split.fraction == 0.12])
def test_sixteen_radiographs_are_not_what_validates(name) -> None:
    own = load(name)
    assert "validation is 12 % of train and val, drawn by patient" in own.differs
    if name != "kermany2018":
        assert "the 16 films of the official val" in own.differs


@pytest.mark.parametrize("name", MAO)
def test_without_test_radiographs_the_resplit_has_a_way_out(name) -> None:
    own = load(name)
    assert "measure on held-out, not on test" in own.differs
    assert "--set split.scheme=ratio --set split.fraction=0.12" in own.differs
    changed = own.with_changes({"split.scheme": "ratio", "split.fraction": 0.12})
    assert (changed.split.scheme, changed.split.fraction) == ("ratio", 0.12)


# --- networks -----------------------------------------------------------------------------------


def build_without_memory(spec: NetworkSpec):
    with torch.device("meta"):
        return build(spec)


@pytest.mark.parametrize("name", FACTS)
def test_its_network_builds(name) -> None:
    own = load(name)
    network = build_without_memory(own.network)
    layers = [*network.dense, *network.head]
    linear = tuple(layer.out_features for layer in layers if isinstance(layer, nn.Linear))
    assert linear == FACTS[name].linear
    assert own.classes == (recipe.THREE_CLASSES if linear[-1] == 3 else recipe.TWO_CLASSES)
    body = [layer for layer, _ in network.body.named_children()]
    named = {own.training.trainable, own.training.unfreeze_from} - {"all", "head", ""}
    assert named <= set(body)


@pytest.mark.parametrize("name", ["inception_v3", "inception_v3-3", "kermany2018"])
def test_inception_can_end_where_its_initial_weights_do(name) -> None:
    own = load(name)
    assert "--set network.until=Mixed_7a" in own.differs
    cut = own.with_changes({"network.until": "Mixed_7a"})
    assert [layer for layer, _ in build(cut.network).body.named_children()][-1] == "Mixed_7a"
