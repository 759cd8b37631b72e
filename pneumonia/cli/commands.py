"""``flask predict`` and ``flask models``."""

import sys
from dataclasses import replace
from pathlib import Path

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from pneumonia.cli import accounts, keeping, pacs
from pneumonia.cli.bulk import find_files, predict_files
from pneumonia.cli.tables import FORMATS, models_table
from pneumonia.config import Settings
from pneumonia.errors import DomainError


def register(app: Flask) -> None:
    app.cli.add_command(predict)
    app.cli.add_command(models)
    kept = (
        keeping.backup, keeping.restore, keeping.purge,
        keeping.rotate_keys, keeping.export_reviewed,
    )  # fmt: skip
    for command in (*kept, accounts.users, accounts.audit):
        app.cli.add_command(command)
    for command in (pacs.listen, pacs.watch, pacs.fetch):
        app.cli.add_command(command)


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--format",
    "format_",
    type=click.Choice(list(FORMATS)),
    default="table",
    show_default=True,
    help="How the rows are printed.",
)
@click.option(
    "--overlay",
    "overlay_dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for one picture per film with its activation map.",
)
@click.option(
    "--dicom",
    "dicom_dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for a secondary capture, a structured report and a segmentation of each DICOM "
    "film, in its own study: they name the patient as the film does.",
)
@click.option(
    "--operating-point",
    metavar="NAME",
    help="Which of the model's operating points decides; else PNEUMONIA_OPERATING_POINT.",
)
@click.option(
    "--population",
    default="",
    metavar="NAME",
    help="Whose films they are (child, adult), where the model tells these apart and DICOM files "
    "do not say the age.",
)
@with_appcontext
def predict(
    paths: tuple[Path, ...],
    format_: str,
    overlay_dir: Path | None,
    dicom_dir: Path | None,
    operating_point: str | None,
    population: str,
) -> None:
    """Read films from files, or from folders and all below them.

    Prints one row per file. A file that cannot be read is a row with its error; the others go on.

    Exit status: 0 when every file was read, 1 when one was not or none was found, 2 when there is
    no model to read them with.
    """
    files = find_files(paths)
    if not files:
        raise click.ClickException(
            f"There are no files in {', '.join(map(str, paths))} (hidden ones are skipped)."
        )
    settings = _settings()
    if operating_point is not None:
        settings = replace(settings, operating_point=operating_point)
    try:
        rows = predict_files(files, settings, overlay_dir, population, dicom_dir)
    except DomainError as error:
        click.echo(f"Error: {error.detail}", err=True)
        sys.exit(2)
    click.echo(FORMATS[format_](rows), nl=False)
    if any(row["error"] for row in rows):
        sys.exit(1)


@click.command()
@with_appcontext
def models() -> None:
    """List the model bundles with their operating points, and which one is served."""
    settings = _settings()
    click.echo(models_table(settings.models_dir, settings.model), nl=False)


def _settings() -> Settings:
    """The settings of the app whose command runs."""
    found: Settings = current_app.extensions["pneumonia"].settings
    return found
