"""What clinicians say of readings."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_COVERED = ("id", "label", "population_match", "model_id", "reference", "deleted_at")
_SORTED_BY = {"time": "created_at", "probability": "probability", "margin": "margin"}


def upgrade() -> None:
    with op.batch_alter_table("readings") as table:
        table.add_column(sa.Column("opinion", sa.String(16), nullable=True))
    _index("opinion")
    op.create_table(
        "reviews",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("reading_id", sa.String(32), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("reviewer", sa.String(64), nullable=False),
        sa.Column("opinion", sa.String(16), nullable=False),
        sa.Column("findings", sa.JSON(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["reading_id"], ["readings.id"], name="fk_reviews_reading_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_reviews"),
    )
    op.create_index("ix_reviews_reading_id", "reviews", ["reading_id"])


def downgrade() -> None:
    op.drop_table("reviews")
    _index()
    with op.batch_alter_table("readings") as table:
        table.drop_column("opinion")


def _index(*also: str) -> None:
    """The list's indexes hold all that it is filtered by."""
    for name, column in _SORTED_BY.items():
        op.drop_index(f"ix_readings_{name}", "readings")
        op.create_index(f"ix_readings_{name}", "readings", [column, *_COVERED, *also])
