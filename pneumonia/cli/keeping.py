"""``flask backup``, ``restore``, ``purge``, ``rotate-keys``, ``export-reviewed``: what is kept."""

from pathlib import Path

import click
from flask import current_app
from flask.cli import with_appcontext

from pneumonia import reviewed
from pneumonia.errors import BackupError, DomainError
from pneumonia.records import Audit, Store
from pneumonia.records.audit_chain import Action
from pneumonia.records.backup import Manifest, write_backup
from pneumonia.records.key_rotation import rotate_keys as rotate
from pneumonia.records.restore import restore_backup
from pneumonia.retention import parse_age, sweep
from pneumonia.retention import purge as purge_readings

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("file", type=_FILE)
@with_appcontext
def backup(file: Path) -> None:
    """Write everything that is kept into FILE, a tar. The server may run meanwhile.

    It holds the films: keep it as safe as the data folder.
    """
    try:
        manifest = write_backup(_database(), _data_dir(), file)
        _audit().note(Action.BACKUP, f"{manifest.readings} readings")
    except DomainError as error:
        raise click.ClickException(error.detail) from None
    click.echo(f"{file}: {manifest.readings} readings, with their films.")
    _say_keys(manifest)
    if manifest.films_missing:
        click.echo(f"The films of {manifest.films_missing} were missing before.", err=True)


@click.command()
@click.argument("file", type=_FILE)
@click.option("--replace", is_flag=True, help="Move aside what is there now.")
@with_appcontext
def restore(file: Path, replace: bool) -> None:
    """Put the backup in FILE into the data folder. The server must be stopped.

    FILE is checked as a whole before anything is changed.
    """
    try:
        manifest, aside = restore_backup(file, _database(), _data_dir(), replace=replace)
    except DomainError as error:
        raise click.ClickException(error.detail) from None
    click.echo(f"{manifest.readings} readings, as they were at {manifest.created_at}.")
    _say_keys(manifest)
    for path in aside:
        click.echo(f"What was there before is {path}; delete it when it is not needed.")


@click.command()
@click.option("--older-than", "age", required=True, metavar="AGE", help="Such as 12h, 90d or 2w.")
@with_appcontext
def purge(age: str) -> None:
    """Delete all readings older than an age, for good: rows and films.

    The server may run meanwhile; it does so by itself with PNEUMONIA_KEEP_DAYS.
    """
    try:
        deleted = purge_readings(_store(), parse_age(age))
        swept = sweep(_store())
    except DomainError as error:
        raise click.ClickException(error.detail) from None
    click.echo(f"{deleted} readings deleted, and {swept} films that had none.")


@click.command("export-reviewed")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@with_appcontext
def export_reviewed(folder: Path) -> None:
    """Write the reviewed films to DIR, a new folder, with what the last review of each saw.

    flask train, flask evaluate and flask calibrate --from-reviews take it. It holds films of
    patients: keep it as safe as the data folder.
    """
    own = current_app.extensions["pneumonia"]
    try:
        found = reviewed.find(_store())
        bundle = own.settings.models_dir / own.settings.model
        reviewed.export(_store(), found, bundle, folder)
        own.audit.note(Action.EXPORT, f"reviewed films, {len(found.readings)}")
    except DomainError as error:
        raise click.ClickException(error.detail) from None
    click.echo(f"{folder}: {len(found.readings)} films.")
    if found.left_out:
        click.echo(f"Left out: {found.left_out}.", err=True)


@click.command("rotate-keys")
@with_appcontext
def rotate_keys() -> None:
    """Encrypt every film by the first key of PNEUMONIA_FILM_KEY_FILE.

    Also those that were kept before there was a key. The server may run meanwhile; a run that was
    cut off is gone on with by the next one.
    """
    try:
        found = rotate(_store())
    except DomainError as error:
        raise click.ClickException(error.detail) from None
    counts = f"{found.sealed} now, {found.before} before"
    click.echo(f"Films encrypted by the key {found.key_id}: {counts}.")
    for fault in found.faults:
        click.echo(fault, err=True)
    if found.faults:
        raise click.ClickException(f"{len(found.faults)} films are as they were.")


def _say_keys(manifest: Manifest) -> None:
    if manifest.film_keys:
        keys = " and ".join(manifest.film_keys)
        click.echo(
            f"Its films are encrypted by the key {keys}, which is not in it: keep that, too."
        )


def _audit() -> Audit:
    found: Audit = current_app.extensions["pneumonia"].audit
    return found


def _store() -> Store:
    found: Store = current_app.extensions["pneumonia"].store
    return found


def _data_dir() -> Path:
    folder: Path = current_app.extensions["pneumonia"].settings.data_dir
    return folder


def _database() -> Path:
    path = _store().database_path
    if path is None:
        raise BackupError(
            "The readings are in a database server (PNEUMONIA_DATABASE_URL): back up that with its "
            "own tool first (pg_dump), and the folder films after it."
        )
    return path
