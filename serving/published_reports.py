"""The finished reports of a publication, a page for each customer and language and the portfolio's own.

One SQLite file: no name of a customer is ever a path, and a publication of a hundred thousand pages is one file more.
"""

import hashlib
import sqlite3
import threading
import zlib
from pathlib import Path

from features.errors import RiskError
from serving.whole_file import written_whole

REPORTS = "reports.sqlite"
# Whose page the portfolio's is: a customer's id has at least one character.
PORTFOLIO = ""

TABLE = "create table pages (customer_id text, language text, page blob not null, primary key (customer_id, language)) without rowid"
FIND = "select page from pages where customer_id = ? and language = ?"


def write_reports(folder, pages):
    """Write reports.sqlite into a folder from an iterator of (customer_id or PORTFOLIO, language, HTML), and return (sha256 hex of the content, pages).

    The file appears only when it is whole. Raises RiskError for a page given twice.
    """
    with written_whole(Path(folder) / REPORTS, TABLE) as connection:
        return _fill(connection, pages)


class Reports:
    """The reports of a publication, to be read by any number of threads. They are written after its book, whose decisions they tell, and perhaps again, so the
    file is opened when it is asked for and whenever it is another one; an open one stays readable after a newer publication took over."""

    def __init__(self, folder):
        """folder: of the publication."""
        self.path, self._lock, self._file, self._seen = Path(folder) / REPORTS, threading.Lock(), None, None

    @property
    def there(self):
        """Whether any reports were published."""
        return self._file is not None or self.path.is_file()

    def find(self, customer_id, language):
        """The bytes of a page's HTML, or None. Raises sqlite3.Error for a damaged file."""
        with self._lock:
            file = self._opened()
            row = None if file is None else file.execute(FIND, (customer_id, language)).fetchone()
        return None if row is None else zlib.decompress(row[0])

    def close(self):
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def _opened(self):
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return self._file
        seen = found.st_ino, found.st_mtime_ns
        if seen != self._seen:
            self.close()
            # immutable: the file is replaced, never changed, so SQLite needs no lock and no file beside it.
            self._file = sqlite3.connect(f"{self.path.resolve().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False)
            self._seen = seen
        return self._file


def _fill(connection, pages):
    digest, count = hashlib.sha256(), 0
    connection.execute("begin")
    for customer_id, language, page in pages:
        try:
            connection.execute("insert into pages values (?, ?, ?)", (customer_id, language, zlib.compress(page.encode())))
        except sqlite3.IntegrityError:
            raise RiskError(f"The report on {customer_id or 'the portfolio'} in {language} is there twice; publish one page each.") from None
        digest.update(hashlib.sha256(b"\0".join(part.encode() for part in (customer_id, language, page))).digest())
        count += 1
    connection.execute("commit")
    return digest.hexdigest(), count
