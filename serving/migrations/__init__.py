"""Alembic's folder: each step of the operational database's tables, run by serving.store and shipped with the package."""
