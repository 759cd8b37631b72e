"""The history of the tables, for Alembic; :meth:`pneumonia.records.Store.migrate` runs it."""
