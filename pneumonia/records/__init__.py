"""What is kept: SQLAlchemy tables, their migrations, and the films' pictures on disk."""

from pneumonia.records.audit import Audit
from pneumonia.records.batches import Batches, Refusal
from pneumonia.records.query import Page, Place, Query, ReviewState, Sort, Verdict
from pneumonia.records.queue import Queue
from pneumonia.records.queue_item import QueueItem, Source, State
from pneumonia.records.reading import ImageInfo, Reading
from pneumonia.records.review import Opinion, OtherFinding, Review
from pneumonia.records.reviews import Reviews
from pneumonia.records.store import Store
from pneumonia.records.users import Users
from pneumonia.records.worklist import Worklist

__all__ = [
    "Audit",
    "Batches",
    "ImageInfo",
    "Opinion",
    "OtherFinding",
    "Page",
    "Place",
    "Query",
    "Queue",
    "QueueItem",
    "Reading",
    "Refusal",
    "Review",
    "ReviewState",
    "Reviews",
    "Sort",
    "Source",
    "State",
    "Store",
    "Users",
    "Verdict",
    "Worklist",
]
