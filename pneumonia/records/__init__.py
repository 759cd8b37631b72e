"""What is kept: SQLAlchemy tables, their migrations, and the films' pictures on disk."""

from pneumonia.records.audit import Audit
from pneumonia.records.reading import ImageInfo, Reading
from pneumonia.records.store import Store
from pneumonia.records.users import Users

__all__ = ["Audit", "ImageInfo", "Reading", "Store", "Users"]
