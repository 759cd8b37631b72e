"""What is kept: SQLAlchemy tables, their migrations, and the films' pictures on disk."""

from pneumonia.records.query import Page, Place, Query, Sort, Verdict
from pneumonia.records.reading import ImageInfo, Reading
from pneumonia.records.store import Store
from pneumonia.records.worklist import Worklist

__all__ = [
    "ImageInfo",
    "Page",
    "Place",
    "Query",
    "Reading",
    "Sort",
    "Store",
    "Verdict",
    "Worklist",
]
