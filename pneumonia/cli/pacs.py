"""``flask listen``, ``flask watch`` and ``flask fetch``: films from the clinic's other systems."""

import logging
import logging.config
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click
from flask import current_app
from flask.cli import with_appcontext

from pneumonia.config import Settings
from pneumonia.errors import BadSetting, DomainError
from pneumonia.imaging import Limits
from pneumonia.records import Source

if TYPE_CHECKING:  # they import pydicom and pynetdicom, which take their time
    from pneumonia.pacs.intake import Intake
    from pneumonia.pacs.tls import Certificates

_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@with_appcontext
def listen() -> None:
    """Receive films by DICOM, read them, and send their results where they go.

    Runs until it is ended (Ctrl+C). docs/pacs.md describes the settings.
    """
    from pneumonia.pacs.receiver import Listening, Receiver

    settings = _settings()

    def start(intake: "Intake", _over: threading.Event) -> Callable[[], None]:
        settings.check_receiver()
        receiver = Receiver(
            intake,
            Listening(
                settings.ae_title,
                settings.dicom_host,
                settings.dicom_port,
                _certificates(settings),
                settings.peer_titles,
                settings.dicom_associations,
                settings.dicom_timeout_s,
            ),
        )
        click.echo(f"{settings.ae_title} listens on {settings.dicom_host} port {receiver.port}.")
        return receiver.close

    _work(start)


@click.command()
@click.argument("folder", type=_FOLDER)
@with_appcontext
def watch(folder: Path) -> None:
    """Read every film that appears in FOLDER, or in a folder below it.

    What is taken is moved to FOLDER/done, what holds no film to FOLDER/failed, with the reason
    beside it. Runs until it is ended (Ctrl+C).
    """
    from pneumonia.pacs.folder import WatchedFolder

    def start(intake: "Intake", over: threading.Event) -> Callable[[], None]:
        watched = WatchedFolder(intake, folder)
        thread = threading.Thread(target=watched.run, args=(over,), name="watching")
        thread.start()
        click.echo(f"Films that appear in {folder} are read.")
        return thread.join

    _work(start)


@click.command()
@click.option(
    "--match",
    "matches",
    multiple=True,
    metavar="KEYWORD=VALUE",
    help="Such as StudyDate=20260101-20260131 or AccessionNumber=A17, as DICOM matches; may be "
    "given again.",
)
@click.option(
    "--modality",
    "modalities",
    multiple=True,
    default=("CR", "DX"),
    show_default=True,
    help="May be given again.",
)
@click.option(
    "--limit",
    default=100,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help="Films of each modality at most.",
)
@with_appcontext
def fetch(matches: tuple[str, ...], modalities: tuple[str, ...], limit: int) -> None:
    """Fetch films that match from the DICOMweb service, for the queue.

    PNEUMONIA_DICOMWEB_URL names the service. `flask listen` or `flask watch` reads what is fetched.
    Exit status: 1 where a film could not be fetched or holds none.
    """
    try:
        failed = _fetch(_settings(), dict(map(_pair, matches)), modalities, limit)
    except DomainError as error:
        raise click.ClickException(error.detail) from None
    if failed:
        sys.exit(1)


def _fetch(
    settings: Settings, matches: dict[str, str], modalities: tuple[str, ...], limit: int
) -> int:
    from pneumonia.pacs.dicomweb import DicomWeb
    from pneumonia.pacs.intake import Taken

    _begin_logging(settings)
    service = DicomWeb(
        settings.dicomweb_url,
        settings.dicomweb_authorization,
        settings.dicom_timeout_s,
        _certificates(settings),
    )
    intake, counts, failed = _intake(settings, threading.Event()), dict.fromkeys(Taken, 0), 0
    for modality in modalities:
        for uids in service.find(matches | {"Modality": modality}, limit):
            try:
                data = service.retrieve(*uids)
                counts[intake.take(data, Source.DICOMWEB, service.host)] += 1
            except DomainError as error:
                click.echo(f"Not taken: {error.detail}", err=True)
                failed += 1
    click.echo(
        f"{counts[Taken.NEW]} films for the queue, {counts[Taken.ALREADY]} were there already, "
        f"{failed} could not be taken."
    )
    return failed


def _pair(text: str) -> tuple[str, str]:
    keyword, _, value = text.partition("=")
    if not keyword or not value:
        raise click.UsageError(f"--match {text!r} must be KEYWORD=VALUE.")
    return keyword, value


def _work(start: Callable[["Intake", threading.Event], Callable[[], None]]) -> None:
    """Take films by a door, and work through the queue, until a signal comes.

    Parameters
    ----------
    start
        Opens the door; returns what closes it.
    """
    settings, own = _settings(), current_app.extensions["pneumonia"]
    arrived, over, stuck = threading.Event(), threading.Event(), threading.Event()

    def end(*_: object) -> None:
        over.set()

    def is_ready() -> bool:
        own.analysis.start()
        return bool(own.analysis.state == "ready")

    def give_place() -> None:
        stuck.set()
        over.set()

    own.analysis.when_stuck = give_place
    try:
        from pneumonia.pacs.destination import parse_destination
        from pneumonia.pacs.worker import Worker

        destination = parse_destination(
            settings.results_to,
            settings.ae_title,
            settings.dicom_timeout_s,
            _certificates(settings),
            settings.dicomweb_authorization,
        )
        own.store.migrate()
        close = start(_intake(settings, arrived), over)
        _begin_logging(settings)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, end)
        Worker(own.queue, own.readings, is_ready, destination, arrived, over).run()
        close()
    except DomainError as error:
        raise click.ClickException(error.detail) from None
    finally:
        over.set()
        own.analysis.close()
    if stuck.is_set():
        raise click.ClickException("The network hung again and again: start this anew.")


def _intake(settings: Settings, arrived: threading.Event) -> "Intake":
    from pneumonia.pacs.intake import Intake

    limits = Limits(max_bytes=settings.max_upload_bytes, max_pixels=settings.max_pixels)
    return Intake(current_app.extensions["pneumonia"].queue, limits, arrived)


def _certificates(settings: Settings) -> "Certificates":
    from pneumonia.pacs.tls import Certificates

    if settings.dicom_tls_key and not settings.dicom_tls_certificate:
        raise BadSetting(
            "PNEUMONIA_DICOM_TLS_KEY is set and PNEUMONIA_DICOM_TLS_CERTIFICATE is not: set both."
        )
    return Certificates(
        settings.dicom_tls_certificate, settings.dicom_tls_key, settings.dicom_tls_ca
    )


def _begin_logging(settings: Settings) -> None:
    """To standard error, as the server does; nothing that a library says of a film goes in."""
    if settings.log_format == "json":
        from pneumonia.server.log import JSON

        logging.config.dictConfig({"version": 1, "disable_existing_loggers": False} | JSON)
    else:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("pneumonia").setLevel(logging.INFO)
    for name in ("pynetdicom", "dicomweb_client", "pydicom"):
        # A peer that goes away is an error with a trace to them; what matters we log ourselves.
        logging.getLogger(name).setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module="pydicom")  # it quotes values


def _settings() -> Settings:
    found: Settings = current_app.extensions["pneumonia"].settings
    return found
