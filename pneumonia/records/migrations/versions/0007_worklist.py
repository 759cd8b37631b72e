"""What the list of readings is filtered and sorted by, and what was sent together."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_COVERED = ("id", "label", "population_match", "model_id", "reference", "deleted_at")
_SORTED_BY = {"time": "created_at", "probability": "probability", "margin": "margin"}


def upgrade() -> None:
    with op.batch_alter_table("readings") as table:
        table.add_column(sa.Column("margin", sa.Double(), nullable=False, server_default="0"))
        table.add_column(sa.Column("deleted_at", sa.DateTime(), nullable=True))
        table.add_column(sa.Column("batch", sa.String(32), nullable=True))
        table.add_column(sa.Column("batch_position", sa.Integer(), nullable=True))
    op.execute("UPDATE readings SET margin = abs(probability - threshold)")
    for name, column in _SORTED_BY.items():
        op.create_index(f"ix_readings_{name}", "readings", [column, *_COVERED])
    op.create_index("ix_readings_batch", "readings", ["batch"])
    op.create_index("ix_readings_model", "readings", ["model_id"])
    is_deleted = sa.text("deleted_at IS NOT NULL")
    op.create_index(
        "ix_readings_deleted",
        "readings",
        ["deleted_at"],
        sqlite_where=is_deleted,
        postgresql_where=is_deleted,
    )
    op.create_table(
        "refusals",
        sa.Column("batch", sa.String(32), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("reference", sa.String(64), nullable=True),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("title", sa.String(255), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("batch", "position", name="pk_refusals"),
    )


def downgrade() -> None:
    op.drop_table("refusals")
    for name in ("deleted", "model", "batch", *_SORTED_BY):
        op.drop_index(f"ix_readings_{name}", "readings")
    with op.batch_alter_table("readings") as table:
        for name in ("batch_position", "batch", "deleted_at", "margin"):
            table.drop_column(name)
