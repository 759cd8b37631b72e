"""Run by Alembic: migrates over the connection that ``pneumonia.records.database`` hands in."""

from alembic import context

from pneumonia.records.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    # SQLite alters a table by copying it.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
