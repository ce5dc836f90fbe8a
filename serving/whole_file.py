"""SQLite files of a publication: written beside their place, and there only once they are whole."""

import os
import sqlite3
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_whole(path, tables):
    """A connection that fills a new SQLite file with these tables; left without an error, the file is whole and in its place.

    What is written needs no journal, since a file that is not finished is thrown away; transactions are the caller's.
    """
    target = Path(path)
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    connection = sqlite3.connect(beside, isolation_level=None)
    try:
        connection.executescript("pragma journal_mode=off; pragma synchronous=off;" + tables)
        yield connection
        connection.close()
        os.replace(beside, target)
    finally:
        connection.close()
        beside.unlink(missing_ok=True)
