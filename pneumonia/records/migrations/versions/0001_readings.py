"""Readings."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "readings",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("image_format", sa.String(16), nullable=False),
        sa.Column("image_width", sa.Integer(), nullable=False),
        sa.Column("image_height", sa.Integer(), nullable=False),
        sa.Column("image_sha256", sa.String(64), nullable=False),
        sa.Column("label", sa.String(16), nullable=False),
        sa.Column("probability", sa.Double(), nullable=False),
        sa.Column("logit", sa.Double(), nullable=False),
        sa.Column("operating_point", sa.String(64), nullable=False),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column("indeterminate_low", sa.Double(), nullable=True),
        sa.Column("indeterminate_high", sa.Double(), nullable=True),
        sa.Column("model_id", sa.String(255), nullable=False),
        sa.Column("model_sha256", sa.String(64), nullable=False),
        sa.Column("quality_accepted", sa.Boolean(), nullable=False),
        sa.Column("quality_warnings", sa.JSON(), nullable=False),
        sa.Column("map_values", sa.LargeBinary(), nullable=False),
        sa.Column("map_rows", sa.Integer(), nullable=False),
        sa.Column("map_columns", sa.Integer(), nullable=False),
        sa.Column("map_full_scale", sa.Double(), nullable=False),
        sa.Column("map_geometry", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_readings"),
    )


def downgrade() -> None:
    op.drop_table("readings")
