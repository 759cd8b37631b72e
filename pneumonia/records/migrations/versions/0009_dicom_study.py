"""Whose film a DICOM file is, where the operator keeps it."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("readings") as table:
        table.add_column(sa.Column("study", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("readings") as table:
        table.drop_column("study")
