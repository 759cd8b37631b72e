"""Where the lungs are, and whether the film came inverted."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("readings") as table:
        # No reading made before was of a film turned right, nor were its lungs looked for.
        table.add_column(
            sa.Column("quality_inverted", sa.Boolean(), nullable=False, server_default=sa.false())
        )
        table.add_column(sa.Column("outline", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("readings") as table:
        table.drop_column("outline")
        table.drop_column("quality_inverted")
