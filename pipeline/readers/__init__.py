"""Readers of inputs that DuckDB cannot open itself; each is a function `read(spec, folder)` that gives Arrow rows."""
