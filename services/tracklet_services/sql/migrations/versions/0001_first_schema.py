"""The first schema.

Revision ID: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tracklet.reading.types import Double

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

WORDS = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXTS = (
    ("experiment_tags", "experiment"),
    ("logged_model_params", "model"),
    ("logged_model_tags", "model"),
    ("params", "run"),
    ("registered_model_tags", "model"),
    ("tags", "run"),
    ("input_tags", "input"),
    ("model_version_tags", "version"),
)


def upgrade() -> None:
    """Create all tables."""
    op.create_table(
        "datasets",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("experiment_id", WORDS, nullable=False),
        sa.Column("name", WORDS, nullable=False),
        sa.Column("digest", WORDS, nullable=False),
        sa.Column("source_type", WORDS, nullable=False),
        sa.Column("source", WORDS, nullable=False),
        sa.Column("schema", WORDS, nullable=True),
        sa.Column("profile", WORDS, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_datasets"),
        sa.UniqueConstraint(
            "experiment_id", "name", "digest", name="uq_datasets_experiment_id_name_digest"
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "experiments",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("experiment_id", WORDS, nullable=False),
        sa.Column("name", WORDS, nullable=False),
        sa.Column("artifact_location", WORDS, nullable=False),
        sa.Column("lifecycle_stage", WORDS, nullable=False),
        sa.Column("creation_time", sa.BigInteger(), nullable=True),
        sa.Column("last_update_time", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "lifecycle_stage IN ('active', 'deleted')", name="ck_experiments_lifecycle_stage"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_experiments"),
        sa.UniqueConstraint("experiment_id", name="uq_experiments_experiment_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_experiments_name", "experiments", ["name"], unique=False)
    op.create_table(
        "logged_models",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("model_id", WORDS, nullable=False),
        sa.Column("experiment_id", WORDS, nullable=False),
        sa.Column("name", WORDS, nullable=False),
        sa.Column("artifact_location", WORDS, nullable=False),
        sa.Column("creation_timestamp", sa.BigInteger(), nullable=False),
        sa.Column("last_updated_timestamp", sa.BigInteger(), nullable=False),
        sa.Column("model_type", WORDS, nullable=True),
        sa.Column("source_run_id", WORDS, nullable=True),
        sa.Column("status", WORDS, nullable=False),
        sa.Column("status_message", WORDS, nullable=True),
        sa.Column("lifecycle_stage", WORDS, nullable=False),
        sa.CheckConstraint(
            "lifecycle_stage IN ('active', 'deleted')", name="ck_logged_models_lifecycle_stage"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_logged_models"),
        sa.UniqueConstraint("model_id", name="uq_logged_models_model_id"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_logged_models_listing",
        "logged_models",
        ["experiment_id", "lifecycle_stage", "creation_timestamp"],
        unique=False,
    )
    op.create_index(
        "ix_logged_models_source_run_id", "logged_models", ["source_run_id"], unique=False
    )
    op.create_table(
        "registered_models",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("name", WORDS, nullable=False),
        sa.Column("creation_timestamp", sa.BigInteger(), nullable=False),
        sa.Column("last_updated_timestamp", sa.BigInteger(), nullable=False),
        sa.Column("description", WORDS, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_registered_models"),
        sa.UniqueConstraint("name", name="uq_registered_models_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "runs",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("run_id", WORDS, nullable=False),
        sa.Column("experiment_id", WORDS, nullable=False),
        sa.Column("name", WORDS, nullable=True),
        sa.Column("user_id", WORDS, nullable=True),
        sa.Column("status", WORDS, nullable=False),
        sa.Column("start_time", sa.BigInteger(), nullable=True),
        sa.Column("end_time", sa.BigInteger(), nullable=True),
        sa.Column("lifecycle_stage", WORDS, nullable=False),
        sa.Column("deleted_time", sa.BigInteger(), nullable=True),
        sa.Column("artifact_uri", WORDS, nullable=True),
        sa.CheckConstraint(
            "lifecycle_stage IN ('active', 'deleted')", name="ck_runs_lifecycle_stage"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        sa.UniqueConstraint("run_id", name="uq_runs_run_id"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_runs_listing",
        "runs",
        ["experiment_id", "lifecycle_stage", sa.literal_column("start_time DESC"), "run_id"],
        unique=False,
    )
    op.create_table(
        "experiment_tags",
        sa.Column("experiment", ROW_ID, nullable=False),
        sa.Column("key", WORDS, nullable=False),
        sa.Column("value", WORDS, nullable=False),
        sa.ForeignKeyConstraint(
            ["experiment"],
            ["experiments.id"],
            name="fk_experiment_tags_experiment_experiments",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("experiment", "key", name="pk_experiment_tags"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "inputs",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("run", ROW_ID, nullable=False),
        sa.Column("dataset", ROW_ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset"], ["datasets.id"], name="fk_inputs_dataset_datasets", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["run"], ["runs.id"], name="fk_inputs_run_runs", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_inputs"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_inputs_dataset", "inputs", ["dataset"], unique=False)
    op.create_index("ix_inputs_run", "inputs", ["run"], unique=False)
    op.create_table(
        "latest_metrics",
        sa.Column("run", ROW_ID, nullable=False),
        sa.Column("key", WORDS, nullable=False),
        sa.Column("value", Double(), nullable=True),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run"], ["runs.id"], name="fk_latest_metrics_run_runs", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run", "key", name="pk_latest_metrics"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_latest_metrics_key_value_run", "latest_metrics", ["key", "value", "run"], unique=False
    )
    op.create_table(
        "leases",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("run", ROW_ID, nullable=False),
        sa.Column("text", WORDS, nullable=False),
        sa.ForeignKeyConstraint(
            ["run"], ["runs.id"], name="fk_leases_run_runs", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_leases"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_leases_run", "leases", ["run"], unique=False)
    op.create_table(
        "logged_model_metrics",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("model", ROW_ID, nullable=False),
        sa.Column("key", WORDS, nullable=False),
        sa.Column("value", Double(), nullable=True),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("run_id", WORDS, nullable=True),
        sa.Column("dataset_name", WORDS, nullable=True),
        sa.Column("dataset_digest", WORDS, nullable=True),
        sa.ForeignKeyConstraint(
            ["model"],
            ["logged_models.id"],
            name="fk_logged_model_metrics_model_logged_models",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_logged_model_metrics"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_logged_model_metrics_key_value", "logged_model_metrics", ["key", "value"], unique=False
    )
    op.create_index(
        "ix_logged_model_metrics_model_key", "logged_model_metrics", ["model", "key"], unique=False
    )
    op.create_table(
        "logged_model_params",
        sa.Column("model", ROW_ID, nullable=False),
        sa.Column("key", WORDS, nullable=False),
        sa.Column("value", WORDS, nullable=False),
        sa.ForeignKeyConstraint(
            ["model"],
            ["logged_models.id"],
            name="fk_logged_model_params_model_logged_models",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("model", "key", name="pk_logged_model_params"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "logged_model_tags",
        sa.Column("model", ROW_ID, nullable=False),
        sa.Column("key", WORDS, nullable=False),
        sa.Column("value", WORDS, nullable=False),
        sa.ForeignKeyConstraint(
            ["model"],
            ["logged_models.id"],
            name="fk_logged_model_tags_model_logged_models",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("model", "key", name="pk_logged_model_tags"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "metrics",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("run", ROW_ID, nullable=False),
        sa.Column("key", WORDS, nullable=False),
        sa.Column("value", Double(), nullable=True),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("model_id", WORDS, nullable=True),
        sa.Column("dataset_name", WORDS, nullable=True),
        sa.Column("dataset_digest", WORDS, nullable=True),
        sa.ForeignKeyConstraint(
            ["run"], ["runs.id"], name="fk_metrics_run_runs", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_metrics"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_metrics_run_key", "metrics", ["run", "key"], unique=False)
    op.create_table(
        "model_inputs",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("run", ROW_ID, nullable=False),
        sa.Column("model_id", WORDS, nullable=False),
        sa.ForeignKeyConstraint(
            ["run"], ["runs.id"], name="fk_model_inputs_run_runs", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_model_inputs"),
        sa.UniqueConstraint("run", "model_id", name="uq_model_inputs_run_model_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "model_outputs",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("run", ROW_ID, nullable=False),
        sa.Column("model_id", WORDS, nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run"], ["runs.id"], name="fk_model_outputs_run_runs", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_model_outputs"),
        sa.UniqueConstraint("run", "model_id", name="uq_model_outputs_run_model_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "model_versions",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("model", ROW_ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("creation_timestamp", sa.BigInteger(), nullable=False),
        sa.Column("last_updated_timestamp", sa.BigInteger(), nullable=True),
        sa.Column("description", WORDS, nullable=True),
        sa.Column("user_id", WORDS, nullable=True),
        sa.Column("current_stage", WORDS, nullable=False),
        sa.Column("source", WORDS, nullable=True),
        sa.Column("run_id", WORDS, nullable=True),
        sa.Column("status", WORDS, nullable=False),
        sa.Column("status_message", WORDS, nullable=True),
        sa.Column("run_link", WORDS, nullable=True),
        sa.Column("model_id", WORDS, nullable=True),
        sa.Column("storage_location", WORDS, nullable=True),
        sa.ForeignKeyConstraint(
            ["model"],
            ["registered_models.id"],
            name="fk_model_versions_model_registered_models",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_model_versions"),
        sa.UniqueConstraint("model", "version", name="uq_model_versions_model_version"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_model_versions_run_id", "model_versions", ["run_id"], unique=False)
    op.create_table(
        "params",
        sa.Column("run", ROW_ID, nullable=False),
        sa.Column("key", WORDS, nullable=False),
        sa.Column("value", WORDS, nullable=False),
        sa.ForeignKeyConstraint(
            ["run"], ["runs.id"], name="fk_params_run_runs", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run", "key", name="pk_params"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "registered_model_aliases",
        sa.Column("model", ROW_ID, nullable=False),
        sa.Column("alias", WORDS, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model"],
            ["registered_models.id"],
            name="fk_registered_model_aliases_model_registered_models",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("model", "alias", name="pk_registered_model_aliases"),
    )
    op.create_table(
        "registered_model_tags",
        sa.Column("model", ROW_ID, nullable=False),
        sa.Column("key", WORDS, nullable=False),
        sa.Column("value", WORDS, nullable=False),
        sa.ForeignKeyConstraint(
            ["model"],
            ["registered_models.id"],
            name="fk_registered_model_tags_model_registered_models",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("model", "key", name="pk_registered_model_tags"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tags",
        sa.Column("run", ROW_ID, nullable=False),
        sa.Column("key", WORDS, nullable=False),
        sa.Column("value", WORDS, nullable=False),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name="fk_tags_run_runs", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run", "key", name="pk_tags"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "input_tags",
        sa.Column("input", ROW_ID, nullable=False),
        sa.Column("key", WORDS, nullable=False),
        sa.Column("value", WORDS, nullable=False),
        sa.ForeignKeyConstraint(
            ["input"], ["inputs.id"], name="fk_input_tags_input_inputs", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("input", "key", name="pk_input_tags"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "model_version_tags",
        sa.Column("version", ROW_ID, nullable=False),
        sa.Column("key", WORDS, nullable=False),
        sa.Column("value", WORDS, nullable=False),
        sa.ForeignKeyConstraint(
            ["version"],
            ["model_versions.id"],
            name="fk_model_version_tags_version_model_versions",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("version", "key", name="pk_model_version_tags"),
        sqlite_with_rowid=False,
    )
    if op.get_bind().dialect.name == "sqlite":
        for table, owner in TEXTS:
            op.create_index(f"ix_{table}_key_value", table, ["key", "value", owner])
    else:
        for table, _ in TEXTS:
            head = sa.text("substr(value, 1, 100)")
            op.create_index(f"ix_{table}_key_head", table, ["key", head])


def downgrade() -> None:
    """Drop all tables, with all that is in them."""
    for table in (
        "model_version_tags",
        "input_tags",
        "tags",
        "registered_model_tags",
        "registered_model_aliases",
        "params",
        "model_versions",
        "model_outputs",
        "model_inputs",
        "metrics",
        "logged_model_tags",
        "logged_model_params",
        "logged_model_metrics",
        "leases",
        "latest_metrics",
        "inputs",
        "experiment_tags",
        "runs",
        "registered_models",
        "logged_models",
        "experiments",
        "datasets",
    ):
        op.drop_table(table)
