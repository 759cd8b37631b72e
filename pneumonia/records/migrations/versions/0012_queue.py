"""The queue of films that other systems sent."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "queue",
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("peer", sa.String(64), nullable=False),
        sa.Column("address", sa.String(45), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("received_at", sa.DateTime(), nullable=False),
        sa.Column("changed_at", sa.DateTime(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.DateTime(), nullable=False),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("sent_to", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_queue"),
    )
    op.create_index("ix_queue_state", "queue", ["state", "next_at"])
    op.create_index("ix_queue_key", "queue", ["key"], unique=True)
    op.create_index("ix_queue_id", "queue", ["id"], unique=True)


def downgrade() -> None:
    op.drop_table("queue")
