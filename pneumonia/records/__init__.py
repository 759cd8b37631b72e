"""What is kept: SQLAlchemy tables, their migrations, and the films' pictures on disk."""

from pneumonia.records.reading import ImageInfo, Reading
from pneumonia.records.store import Store

__all__ = ["ImageInfo", "Reading", "Store"]
