"""Timelines say when what has been in them changes, so that readers may remember the rest."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; a run that was interrupted may have done so."""
    op.execute("ALTER TABLE timelines ADD COLUMN IF NOT EXISTS revision BIGINT NOT NULL DEFAULT 0")
