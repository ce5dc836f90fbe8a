"""Fixtures that more than one file of tests asks for."""

from databases import postgres_url, url

__all__ = ["postgres_url", "url"]
