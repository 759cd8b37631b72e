"""Whose calibration a film was read with."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("readings") as table:
        # No model before had more than one.
        table.add_column(sa.Column("population", sa.String(32), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("readings") as table:
        table.drop_column("population")
