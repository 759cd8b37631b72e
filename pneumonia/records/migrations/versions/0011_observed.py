"""How far a film is from chest films, and what agreement and drift are worked out from."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_OBSERVED = [
    "model_id", "model_sha256", "created_at", "population", "probability", "threshold", "logit",
    "label", "population_match", "opinion", "outlier_distance", "synthetic", "deleted_at",
]  # fmt: skip


def upgrade() -> None:
    with op.batch_alter_table("readings") as table:
        table.add_column(sa.Column("outlier_distance", sa.Double(), nullable=True))
    op.drop_index("ix_readings_model", "readings")
    op.create_index("ix_readings_observed", "readings", _OBSERVED)


def downgrade() -> None:
    op.drop_index("ix_readings_observed", "readings")
    op.create_index("ix_readings_model", "readings", ["model_id"])
    with op.batch_alter_table("readings") as table:
        table.drop_column("outlier_distance")
