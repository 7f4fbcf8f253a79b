"""Alembic's entry: migrations run on the connection, and in the transaction, of the caller."""

from alembic import context

from evhold.adapters.sql.tables import metadata

given = context.config.attributes
context.configure(
    connection=given["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    version_table=given["version_table"],
)
context.run_migrations()
