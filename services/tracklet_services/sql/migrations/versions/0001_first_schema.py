"""The first schema, which is still the one that :mod:`tracklet.reading.tables` describes.

Whoever changes the tables there writes down here what they were, and the change as a version of
its own; a test compares with the tables of databases that exist.

Revision ID: 0001
"""

from __future__ import annotations

from alembic import op

from tracklet_services.sql.schema import metadata

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create all tables."""
    metadata.create_all(op.get_bind(), checkfirst=False)
