"""Alembic's entry: run the migrations on the connection that the caller opened, inside its transaction."""

from alembic import context

from lentera_cloud.adapters.sql.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
