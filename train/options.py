"""Options that several training commands take, and what they mean to a run."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from train.loop import run

ROOT = Path(__file__).resolve().parent.parent
PATH = click.Path(path_type=Path)

DATA = click.option("--data", type=PATH, help="Folder with train|val|test/NORMAL|PNEUMONIA.")
SET = click.option(
    "--set",
    metavar="KEY=VALUE",
    multiple=True,
    help="Another value for one of the recipe's: training.epochs=3. May be repeated.",
)
READERS = click.option(
    "--workers", type=click.IntRange(0), default=0, help="Processes that read films."
)
SEED = click.option("--seed", type=int, default=0)

#: What a run computes on, and begins from.
DATASET = click.option(
    "--dataset",
    metavar="NAME",
    default="",
    help="What the data is: kermany (the public set), or a .toml file. [default: DATA/data.toml]",
)
BEGINNING = (
    DATASET,
    click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto"),
    click.option(
        "--init-weights",
        metavar="FILE",
        help="A .safetensors file, imagenet (torchvision's, fetched), none (from scratch), or "
        "auto: imagenet where it can be had. [default: auto]",
    ),
    click.option(
        "--lungs",
        metavar="DIR",
        help="Folder of the lung network to use and to ship, or none. [default: models/default]",
    ),
)
#: Where runs are kept, and what becomes of films that are not as they should be.
KEEPING = (
    click.option("--runs", type=PATH, default=Path("runs"), help="Where run folders are kept."),
    click.option(
        "--on-bad-image", type=click.Choice(["stop", "skip"]), default="stop", show_default=True
    ),
    click.option(
        "--on-patient-overlap",
        type=click.Choice(["stop", "drop", "keep"]),
        default="stop",
        show_default=True,
        help="For patients in two of train, val and test.",
    ),
)


def takes(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A decorator with all the options, in the order of the help."""

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def run_options(options: dict[str, Any], out: str = "", workers: int = 0) -> "run.Options":
    """What the command line gave, as a run takes it; paths absolute."""
    from train.loop import run

    return run.Options(
        data=str(options["data"].resolve()),
        out=out,
        dataset=dataset_source(options["dataset"]),
        init_weights=weights_source(options["init_weights"] or "auto"),
        lungs=lungs_source(options["lungs"]),
        workers=workers,
        **{
            name: options[name] for name in ("device", "seed", "on_bad_image", "on_patient_overlap")
        },
    )


def dataset_source(given: str) -> str:
    """The name of a declaration that ships, or a file's absolute path."""
    return str(Path(given).resolve()) if given.endswith(".toml") else given


def weights_source(given: str) -> str:
    """A word that stands for weights, or a file's absolute path."""
    return given if given in ("auto", "imagenet", "none") else str(Path(given).resolve())


def lungs_source(given: str | None) -> str:
    """``none``, or a folder's absolute path: the shipped lung network where nothing is given."""
    if given == "none":
        return given
    if given is not None:
        return str(Path(given).resolve())
    shipped = ROOT / "models" / "default"
    return str(shipped) if (shipped / "lungs.json").is_file() else "none"
