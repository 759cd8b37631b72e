"""What the views work with, hung on the Flask app by :func:`pneumonia.web.init_app`."""

from dataclasses import dataclass
from typing import cast

from flask import Flask, current_app

from pneumonia.accounts import Accounts
from pneumonia.analysis.service import AnalysisService
from pneumonia.config import Settings
from pneumonia.readings import Readings
from pneumonia.records import Audit, Batches, Queue, Reviews, Store, Worklist

EXTENSION = "pneumonia"


@dataclass(frozen=True, slots=True)
class Services:
    settings: Settings
    store: Store
    analysis: AnalysisService
    readings: Readings
    worklist: Worklist
    batches: Batches
    reviews: Reviews
    accounts: Accounts
    audit: Audit
    queue: Queue


def services(app: Flask | None = None) -> Services:
    """Those of the given app, else of the app that is serving."""
    return cast(Services, (app or current_app).extensions[EXTENSION])
