"""Composition root: settings -> Flask app, with the training commands beside it, lazily."""

import importlib
from pathlib import Path
from typing import Any

import click
from flask import Flask

from pneumonia import web
from pneumonia.accounts import Accounts
from pneumonia.analysis.service import AnalysisService
from pneumonia.cli import commands
from pneumonia.config import ROOT, Settings
from pneumonia.decoding.decoders import Decoders
from pneumonia.imaging import Limits
from pneumonia.readings import Readings
from pneumonia.records import Audit, Batches, Queue, Reviews, Store, Worklist
from pneumonia.records.film_keys import FilmKeys
from pneumonia.records.ways_in import SessionLimits
from pneumonia.web.services import Services

# The training package is the one thing the app never imports until it is asked for.
TRAIN_COMMANDS = {
    "train": "Train a network by a recipe and export a model bundle.",
    "calibrate": "Calibrate a bundle anew on films held out from training.",
    "evaluate": "Measure a model bundle on a split of labelled films.",
    "gate": "Fit a model bundle's gate to the films it learnt from.",
    "recipes": "List the training recipes.",
}
RESEARCH_COMMANDS = {
    "compare": "Lay recipes side by side with their papers' figures.",
    "search": "Search a recipe's settings on validation films alone.",
}


def create_app(
    settings: Settings | None = None,
    service: AnalysisService | None = None,
    decoders: Decoders | None = None,
) -> Flask:
    """Wire everything together; reads the environment unless settings are given.

    Nothing is opened, loaded or written until the first request or command needs it.

    Raises
    ------
    BadSetting
        For an environment variable that cannot be used.
    """
    settings = settings or Settings.from_environ()
    service = service or open_service(settings)
    film_keys = FilmKeys(Path(settings.film_key_file) if settings.film_key_file else None)
    store = Store(settings.resolved_database_url, settings.data_dir, film_keys)
    limits = Limits(max_bytes=settings.max_upload_bytes, max_pixels=settings.max_pixels)
    decoders = decoders or Decoders(limits)
    readings = Readings(
        store,
        service,
        decoders,
        settings.longest_wait_s,
        keep_study=settings.keep_dicom_study,
        keep_accession=settings.accession_as_reference,
    )
    app = Flask(
        "pneumonia",
        root_path=str(ROOT),
        template_folder=str(ROOT / "templates"),
        static_folder=str(ROOT / "static"),
    )
    accounts = Accounts(store, SessionLimits(*settings.session_limits))
    lists = Worklist(store), Batches(store), Reviews(store)
    kept = Audit(store), Queue(store, settings.data_dir)
    own = Services(settings, store, service, readings, *lists, accounts, *kept)
    web.init_app(app, own)
    commands.register(app)
    for name, help_text in TRAIN_COMMANDS.items():
        app.cli.add_command(LazyCommand(name, help_text, "train.cli"))
    for name, help_text in RESEARCH_COMMANDS.items():
        app.cli.add_command(LazyCommand(name, help_text, "train.research.cli"))
    return app


def open_service(settings: Settings) -> AnalysisService:
    """The analysis over the bundle that the settings name; it loads when first used."""

    def load() -> Any:
        from pneumonia.analysis.predictor import Predictor

        return Predictor.load(
            settings.models_dir / settings.model,
            settings.device,
            settings.threads,
            settings.operating_point,
            engine=settings.engine,
            cache=settings.conversions_dir,
        )

    return AnalysisService(
        load,
        max_batch=settings.max_batch,
        queue_size=settings.queue_size,
        wait_s=settings.longest_wait_s,
        timeout_s=settings.analysis_timeout_s,
    )


class LazyCommand(click.Command):
    """A command of another module, imported when it is run or asked for its own help."""

    def __init__(self, name: str, short_help: str, module: str) -> None:
        super().__init__(name, help=short_help)
        self._module = module

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        # The context belongs to the real command, so click goes on with that one.
        command: click.Command = getattr(importlib.import_module(self._module), str(self.name))
        return command.make_context(info_name, args, parent, **extra)
