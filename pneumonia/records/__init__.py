"""What is kept: SQLAlchemy tables, their migrations, and the films' pictures on disk."""

from pneumonia.records.batches import Batches, Refusal
from pneumonia.records.query import Page, Place, Query, Sort, Verdict
from pneumonia.records.reading import ImageInfo, Reading
from pneumonia.records.store import Store
from pneumonia.records.worklist import Worklist

__all__ = [
    "Batches",
    "ImageInfo",
    "Page",
    "Place",
    "Query",
    "Reading",
    "Refusal",
    "Sort",
    "Store",
    "Verdict",
    "Worklist",
]
