"""What tells readings apart: a reference, a mark on samples, and whether the model knows them."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("readings") as table:
        table.add_column(sa.Column("reference", sa.String(64), nullable=True))
        table.add_column(
            sa.Column("synthetic", sa.Boolean(), nullable=False, server_default=sa.false())
        )
        # Of readings made before it was never asked.
        table.add_column(
            sa.Column("population_match", sa.String(8), nullable=False, server_default="unknown")
        )
        table.add_column(sa.Column("mismatches", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("readings") as table:
        for name in ("mismatches", "population_match", "synthetic", "reference"):
            table.drop_column(name)
