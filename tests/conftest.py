"""Fixtures that more than one file of tests asks for."""

from databases import clock, postgres_url, url

__all__ = ["clock", "postgres_url", "url"]
