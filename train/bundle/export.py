"""A trained network -> ``models/<id>/``: half-precision weights and the card that binds them."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pneumonia.analysis import lung_card as lungs
from pneumonia.analysis.bundle import WEIGHTS, file_sha256
from pneumonia.analysis.card import CARD
from pneumonia.errors import RunError
from pneumonia.networks.classifier import Classifier
from pneumonia.networks.outputs import pneumonia_logit, viral_logit
from train.bundle import calibrate
from train.bundle.held_out import HeldOut
from train.bundle.measure import measure
from train.bundle.provenance import Provenance
from train.data.declaration import Declaration
from train.data.manifest import Row
from train.files import write_text, write_weights
from train.initial import InitialWeights
from train.recipes.recipe import Recipe

_METHODS = {
    "ratio": "by {by}, from train and val together",
    "resplit": "train as it is; val and test together, halved by {by}",
}


@dataclass(frozen=True, slots=True)
class Origins:
    """Where the weights and the data come from, for the card."""

    data: Declaration
    names_patients: bool
    data_digest: str
    initial: InitialWeights
    initial_weights: Provenance
    lungs: Path | None  # folder of the lung network that the bundle takes along
    training: Sequence[Row]
    validation: Sequence[Row]
    settings: dict[str, Any]


@dataclass(frozen=True, eq=False, slots=True)
class Served:
    """What the shipped weights say of the n validation films, in float32.

    Attributes
    ----------
    logits, maps
        (n,) and (n, h, w), of pneumonia.
    viral
        (n,) logits of viral against bacterial; None for a network of two classes.
    perturbed
        (k, n): logits of the same films after k alterations, so that the operating points carry
        over to films unlike these; None where they were not perturbed.
    """

    logits: NDArray[np.float64]
    maps: NDArray[np.float32]
    perturbed: NDArray[np.float64] | None = None
    viral: NDArray[np.float64] | None = None

    @classmethod
    def of(
        cls,
        outputs: NDArray[np.float64],
        maps: NDArray[np.float32],
        perturbed: NDArray[np.float64] | None = None,
    ) -> Self:
        """From the network's (n, K) outputs."""
        tensor = torch.from_numpy(outputs)
        viral = viral_logit(tensor).numpy() if outputs.shape[1] == 3 else None
        return cls(pneumonia_logit(tensor).numpy(), maps, perturbed, viral)


def round_to_half(network: nn.Module) -> None:
    """Round the weights in place to what float16 can hold, so that all is measured as shipped."""
    with torch.no_grad():
        for tensor in network.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(tensor.half().float())


def export(
    network: Classifier,
    recipe: Recipe,
    origins: Origins,
    served: Served,
    out: Path,
) -> dict[str, Any]:
    """Calibrate on the validation films and write the bundle. Returns the card.

    Parameters
    ----------
    network
        Already rounded by :func:`round_to_half`.
    """
    measured = _measure(served, origins)
    out.mkdir(parents=True, exist_ok=True)
    state = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in network.state_dict().items()
    }
    write_weights(out / WEIGHTS, state, recipe.network.architecture)
    card = {
        "id": out.name,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "architecture": recipe.network.architecture,
        "until": recipe.network.until,
        "head": {
            "hidden": list(recipe.network.hidden),
            "dropout": recipe.network.dropout,
            "outputs": recipe.network.outputs,
        },
        "recipe": recipe.as_dict(),
        "preprocess": recipe.preprocess.as_dict(),
        "classes": list(recipe.classes),
        **measured,
        "etiology": _etiology(served, origins),
        "weights": {
            "file": WEIGHTS,
            "sha256": file_sha256(out / WEIGHTS),
            "dtype": "float16",
            "parameters": sum(p.numel() for p in network.parameters()),
        },
        "lungs": _take_lungs(origins.lungs, out),
        "data": _data(origins, recipe),
        "initial_weights": _initial(origins),
        "run": {k: v for k, v in origins.settings.items() if k != "frozen"},
        "intended_use": (
            f"Research and teaching: a second look at frontal chest radiographs{_of(origins)}, "
            "beside a qualified reader. Not a diagnosis, and not a medical device."
        ),
        "population": origins.data.population.as_dict(),
        "limits": _limits(origins, recipe, served.maps),
        "licence": "Apache-2.0",
    }
    write_text(out / CARD, json.dumps(card, indent=2, ensure_ascii=False) + "\n")
    return card


def _measure(served: Served, origins: Origins) -> dict[str, Any]:
    """All that is fixed on validation: calibration, operating points, map's scale, figures."""
    films = HeldOut.of(origins.validation, served.logits, served.perturbed)
    return measure(films, origins.data.populations) | {
        "map": {
            "method": "class activation map, in logits",
            "full_scale": calibrate.choose_full_scale(films.labels, served.maps),
        },
    }


def _etiology(served: Served, origins: Origins) -> dict[str, Any] | None:
    """Calibration and worth of bacterial against viral, from the pneumonias; None without it."""
    if served.viral is None:
        return None
    ill = [i for i, row in enumerate(origins.validation) if row.etiology in ("bacterial", "viral")]
    viral = np.array([origins.validation[i].etiology == "viral" for i in ill])
    if len(set(viral.tolist())) < 2:  # one kind alone: nothing to tell apart
        return None
    try:
        calibration = calibrate.fit_calibration(viral, served.viral[ill])
    except RunError:  # it cannot tell them apart: the app will not pretend to
        return None
    probabilities = calibration.probabilities(served.viral[ill])
    patients = [origins.validation[i].patient for i in ill]
    return {
        **asdict(calibration),
        "validation": calibrate.summarise_etiology(viral, probabilities, patients),
    }


def _limits(origins: Origins, recipe: Recipe, maps: NDArray[np.float32]) -> list[str]:
    height, width = maps.shape[1:]
    limits = ["Whose films it was trained on is not stated: nothing tells for whom it holds."]
    if origins.data.population.text:
        limits = [f"Trained on films{_of(origins)}; not for other people, hospitals or diseases."]
    if origins.data.populations:
        limits.append(
            "Age cannot be told from a film: where nobody says whose film it is, it is read by the "
            "limits of all populations together, and is more often called indeterminate."
        )
    elif origins.data.population.age_years:
        limits.append(
            "Age cannot be told from a film: films of people of other ages are read all the same, "
            "and must not be."
        )
    if not recipe.needs_lungs:
        limits.append(
            "It sees the whole film: markings, borders and exposure can sway it as well as the "
            "lungs."
        )
    if origins.lungs is None:
        limits.append("It cannot tell a chest film from any other picture.")
    return [
        *limits,
        "The probability holds for a share of pneumonia like that of the validation films.",
        f"The map ({height} x {width}) shows what drove the verdict; it does not outline disease.",
    ]


def _of(origins: Origins) -> str:
    """`` of children``; empty where the population is not stated."""
    return f" of {text}" if (text := origins.data.population.text) else ""


def _take_lungs(source: Path | None, out: Path) -> dict[str, Any] | None:
    """Copy the lung network into the bundle; what the card says of it, None without one."""
    if source is None:
        return None
    for name in lungs.FILES:
        if source.resolve() != out.resolve():
            shutil.copyfile(source / name, out / name)
    card = json.loads((out / lungs.CARD).read_text(encoding="utf-8"))
    return {
        "sha256": {name: file_sha256(out / name) for name in lungs.FILES},
        "architecture": card["architecture"],
        "validation": card["validation"],
    }


def _data(origins: Origins, recipe: Recipe) -> dict[str, Any]:
    return {
        **{k: v for k, v in asdict(origins.data).items() if k != "population"},
        "digest": origins.data_digest,
        "train": _counts(origins.training),
        "validation": _counts(origins.validation),
        "split": {"method": _METHODS[recipe.split.scheme].format(by=_by(origins, recipe))}
        | asdict(recipe.split),
    }


def _by(origins: Origins, recipe: Recipe) -> str:
    if recipe.split.by == "patient" and not origins.names_patients:
        return "film: the data does not say which films are of one patient"
    return recipe.split.by


def _counts(rows: Sequence[Row]) -> dict[str, int]:
    return {
        "films": len(rows),
        "patients": len({row.patient for row in rows}),
        "normal": sum(row.label == "NORMAL" for row in rows),
        "pneumonia": sum(row.label == "PNEUMONIA" for row in rows),
    }


def _initial(origins: Origins) -> dict[str, Any]:
    """Which layers began with weights, which without, and which training left as they were."""
    return {
        **{k: v for k, v in asdict(origins.initial_weights).items() if v},
        "file": origins.initial.source,
        "layers": list(origins.initial.layers),
        "new_layers": [*origins.initial.new_layers, "head"],
        "frozen": [n for n in origins.settings.get("frozen", ()) if n in origins.initial.layers],
    }


def record_evidence(folder: Path, name: str, summary: dict[str, Any]) -> None:
    """Store an evaluation's figures in a bundle's card; a failure becomes one of its limits."""
    path = folder / CARD
    card = json.loads(path.read_text(encoding="utf-8"))
    card["evidence"] = card.get("evidence", {}) | {name: summary}
    opening = f"On {name} ("
    limits = [limit for limit in card["limits"] if not limit.startswith(opening)]
    value, interval = summary["auroc"]["value"], summary["auroc"]["ci95"]
    if interval and interval[0] is not None and interval[0] <= 0.5:
        chance = "worse than" if interval[1] < 0.5 else "no better than"
        limits.insert(
            1,
            f"{opening}{summary['n']} films) it ranks {chance} chance: AUROC {value:.2f} "
            f"({interval[0]:.2f} to {interval[1]:.2f}).",
        )
    card["limits"] = limits
    write_text(path, json.dumps(card, indent=2, ensure_ascii=False) + "\n")
