"""Runs the revisions on the connection that serving.store holds, inside its transaction and under its lock."""

from alembic import context

from serving.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transaction_per_migration=False)
with context.begin_transaction():
    context.run_migrations()
