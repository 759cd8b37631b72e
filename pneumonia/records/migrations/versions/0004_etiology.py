"""One word for bacterial against viral: etiology."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("readings") as table:
        table.alter_column("pattern", new_column_name="etiology")
        table.alter_column("pattern_probability", new_column_name="etiology_probability")


def downgrade() -> None:
    with op.batch_alter_table("readings") as table:
        table.alter_column("etiology", new_column_name="pattern")
        table.alter_column("etiology_probability", new_column_name="pattern_probability")
