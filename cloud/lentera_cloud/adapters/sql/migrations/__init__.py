"""Alembic migrations of the registry; run at start by :mod:`lentera_cloud.adapters.sql.database`."""
