"""Whether a pneumonia looks bacterial or viral."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("readings") as table:
        # No model before told the two apart.
        table.add_column(sa.Column("pattern", sa.String(16), nullable=True))
        table.add_column(sa.Column("pattern_probability", sa.Double(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("readings") as table:
        table.drop_column("pattern_probability")
        table.drop_column("pattern")
