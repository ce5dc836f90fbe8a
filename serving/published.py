"""What `risk publish` hands to the service: one folder per publication under var/published, named by its hash, and a pointer to the one in force.

A publication is a consistent set: the book (each customer's records, features and score), the dated context, the feature catalogue and the policy, with
the hash of the bundle that scored it. It never changes once its pointer names it.
"""

import hashlib
import json
import shutil
import sqlite3
import tempfile
import threading
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np

from features.context import Context
from features.errors import RiskError
from models.life_cycle import parse_life_cycle
from models.policy import parse_policy
from serving.kept import FILES, Parts, PublicationDamaged, decoded, keep, manifest_hash, replace_file
from serving.published_reports import Reports
from serving.values import parse_moment
from serving.whole_file import written_whole

POINTER = "current.json"
MANIFEST = "manifest.json"
BOOK = "book.sqlite"
LIFE_CYCLE = "life_cycle.yaml"
FORMAT = 1
# Rows written between two flushes: bounds the memory of a book of any size.
BATCH = 1000

TABLES = """
create table customers (customer_id text primary key, records blob) without rowid;
create table scores (subject_id text primary key, customer_id text not null, features blob not null, score blob not null) without rowid;
create index scores_by_customer on scores (customer_id);
"""

FIND = """
select s.subject_id, s.customer_id, s.features, s.score, c.records
from scores s left join customers c using (customer_id) where s.subject_id = ?
"""


@dataclass(frozen=True)
class BookRow:
    """One scored subject of the book: a customer, or for fraud one of its transactions.

    features: name to number, category or None, in the catalogue's order; score: what the score stage wrote, any names; records: table to a list of rows,
    None when another row of the same customer carries them; subject_id: the transaction for fraud, otherwise left out.
    """

    customer_id: str
    features: Mapping
    score: Mapping
    records: Mapping | None = None
    subject_id: str | None = None


def folder_of(var, source, use_case):
    """Folder of all publications of a source and use case."""
    return Path(var) / "published" / f"{source}-{use_case}"


def published_cases(var):
    """(source, use case) of every pointer under var/published, ascending; a damaged pointer is left out."""
    found = []
    for path in (Path(var) / "published").glob(f"*/{POINTER}"):
        try:
            pointer = json.loads(path.read_bytes())
            found.append((pointer["source"], pointer["use_case"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return sorted(found)


def write_book(folder, rows):
    """Write book.sqlite into a folder from an iterator of BookRow, in memory that does not grow, and return (sha256 hex of the content, rows).

    The file appears only when it is whole. Raises RiskError for a subject given twice or a value that JSON cannot carry.
    """
    with written_whole(Path(folder) / BOOK, TABLES) as connection:
        return _fill(connection, rows)


def publish(var, rows, *, source, use_case, as_of, bundle, policy, catalogue, context, life_cycle=None, extra=None, newest=2):
    """Write a publication, move the pointer to it and return its manifest; the same content again gives the same hash and folder.

    rows: iterator of BookRow. as_of: ISO moment of the book. bundle: hash of the bundle that scored it. policy: the text of policy.yaml. catalogue: the
    book's, as Catalogue.to_dict gives it. context: what the book was compared with, as Context.to_rows gives it. life_cycle: the text of life_cycle.yaml, by
    which events raise alerts, or None. extra: more manifest fields. The `newest` publications stay on disk; of older ones only what a replay needs is kept
    (`serving.kept`). Raises RiskError for a policy that breaks its rules, before anything is written.
    """
    hashes = {"bundle": bundle, "policy": parse_policy(policy).hash, "context": Context.from_rows(context).digest()}
    home = folder_of(var, source, use_case)
    home.mkdir(parents=True, exist_ok=True)
    writing = Path(tempfile.mkdtemp(prefix=".writing-", dir=home))
    try:
        book, count = write_book(writing, rows)
        parts = {"catalogue": _write_json(writing / "catalogue.json", catalogue), "context": _write_json(writing / "context.json", context)}
        parts |= {"policy": _write(writing / "policy.yaml", policy.encode()), "book": book}
        parts |= {} if life_cycle is None else {"life_cycle": _write(writing / LIFE_CYCLE, life_cycle.encode())}
        manifest = {
            "format": FORMAT,
            "source": source,
            "use_case": use_case,
            "as_of": as_of,
            "rows": count,
            **hashes,
            **(extra or {}),
            "files": parts,
        }
        manifest["hash"] = manifest_hash(manifest)
        _write_json(writing / MANIFEST, manifest)
        _put_in_place(writing, home / manifest["hash"])
    finally:
        shutil.rmtree(writing, ignore_errors=True)
    keep(var, home / manifest["hash"], manifest)
    replace_file(home / POINTER, _encode(manifest))
    _prune(home, manifest["hash"], newest)
    return manifest


class Published(Parts):
    """A publication opened for reading by any number of threads; it stays readable after a newer one took over."""

    def __init__(self, folder, manifest):
        """folder: of this publication; manifest: its manifest.json."""
        self.folder, self.manifest, self.hash = Path(folder), manifest, manifest["hash"]
        self._lock = threading.Lock()
        self._book = _open_book(self.folder / BOOK)
        self.reports = Reports(self.folder)

    @classmethod
    def open(cls, var, source, use_case):
        """The publication in force. Raises RiskError when nothing is published, or the pointer or its folder is damaged."""
        home = folder_of(var, source, use_case)
        pointer = decoded(_read(home / POINTER, f"Nothing is published for {source}, {use_case}"), home / POINTER)
        if pointer.get("format") != FORMAT or not (home / str(pointer.get("hash")) / MANIFEST).is_file():
            raise PublicationDamaged(f"{home / POINTER} names no publication this program can read; run `risk publish`.")
        return cls(home / pointer["hash"], pointer)

    @classmethod
    def past(cls, var, source, use_case, publication):
        """The publication of a hash while its book is still there, otherwise None."""
        folder = folder_of(var, source, use_case) / publication
        if not (folder / MANIFEST).is_file():
            return None
        return cls(folder, decoded(_read(folder / MANIFEST, "The publication is gone"), folder / MANIFEST))

    def close(self):
        """Close the book and the reports."""
        self._book.close()
        self.reports.close()

    @property
    def moment(self):
        """The moment of the book as naive UTC."""
        return parse_moment(self.as_of)

    def find(self, subject_id):
        """The BookRow of a subject with its customer's records, or None."""
        rows = self._rows(FIND, subject_id)
        return _book_row(rows[0]) if rows else None

    def score(self, subject_id):
        """The score of a subject without its features and records, or None."""
        rows = self._rows("select score from scores where subject_id = ?", subject_id)
        return _loosen(rows[0][0]) if rows else None

    def report(self, customer_id, language):
        """The bytes of a published page: on a customer, or the portfolio's (serving.published_reports.PORTFOLIO); None where there is none."""
        try:
            return self.reports.find(customer_id, language)
        except (sqlite3.Error, zlib.error) as error:
            raise PublicationDamaged(f"{self.reports.path} cannot be read ({error}); run `risk publish`.") from error

    def subjects(self, customer_id):
        """Subject ids of a customer, ascending; empty for an unknown one."""
        return [row[0] for row in self._rows("select subject_id from scores where customer_id = ? order by subject_id", customer_id)]

    def _rows(self, query, value):
        try:
            with self._lock:
                return self._book.execute(query, (value,)).fetchall()
        except sqlite3.Error as error:
            raise PublicationDamaged(f"{self.folder / BOOK} cannot be read ({error}); run `risk publish`.") from error

    def _content(self, part):
        return _read(self.folder / FILES[part], f"A part of the publication {self.hash[:12]} is gone")

    @cached_property
    def life_cycle(self):
        """The LifeCycle in force; None where the publication says nothing of one."""
        if "life_cycle" not in self.manifest["files"]:
            return None
        return parse_life_cycle(_read(self.folder / LIFE_CYCLE, f"A part of the publication {self.hash[:12]} is gone").decode())


def _fill(connection, rows):
    digest, count = hashlib.sha256(), 0
    connection.execute("begin")
    for row in rows:
        packed = _packed(row)
        _insert(connection, row, packed)
        digest.update(hashlib.sha256(b"\0".join(part for part in packed if part is not None)).digest())
        count += 1
        if count % BATCH == 0:
            connection.execute("commit")
            connection.execute("begin")
    connection.execute("commit")
    return digest.hexdigest(), count


def _packed(row):
    subject = row.subject_id or row.customer_id
    records = None if row.records is None else _encode(row.records)
    return subject.encode(), row.customer_id.encode(), _encode(row.features), _encode(row.score), records


def _insert(connection, row, packed):
    subject, _, columns, score, records = packed
    try:
        connection.execute("insert into scores values (?, ?, ?, ?)", (subject.decode(), row.customer_id, _squeeze(columns), _squeeze(score)))
        if records is not None:
            connection.execute("insert into customers values (?, ?)", (row.customer_id, _squeeze(records)))
    except sqlite3.IntegrityError:
        raise RiskError(f"The book has {subject.decode()} twice, or its customer's records; publish one row each.") from None


def _book_row(found):
    subject, customer_id, columns, score, records = found
    return BookRow(customer_id, _loosen(columns), _loosen(score), None if records is None else _loosen(records), subject)


def _squeeze(content):
    return zlib.compress(content, 1)


def _loosen(blob):
    return json.loads(zlib.decompress(blob))


def _encode(value):
    try:
        return msgspec.json.encode(value, enc_hook=_plain)
    except (TypeError, ValueError, NotImplementedError) as error:
        raise RiskError(f"What is published cannot be written as JSON: {error}.") from error


def _plain(value):
    """A numpy scalar or array as Python values; times become ISO strings."""
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else str(value)
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise NotImplementedError(f"a value of type {type(value).__name__}")


def _write(path, content):
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def _write_json(path, value):
    return _write(path, _encode(value))


def _put_in_place(writing, target):
    if target.is_dir() and not (target / MANIFEST).is_file():
        shutil.rmtree(target)
    if not target.is_dir():
        writing.chmod(0o755)
        writing.rename(target)


def _prune(home, current, newest):
    """Delete all but the newest publications and the current one; an open book stays readable until its last reader closes it."""
    old = [folder for folder in home.iterdir() if folder.is_dir() and folder.name != current and not folder.name.startswith(".")]
    old.sort(key=lambda folder: folder.stat().st_mtime_ns, reverse=True)
    for folder in old[max(0, newest - 1) :]:
        shutil.rmtree(folder, ignore_errors=True)


def _read(path, missing):
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise PublicationDamaged(f"{missing} ({path} is not there); run `risk publish`.") from None
    except OSError as error:
        raise PublicationDamaged(f"{path} cannot be read ({error}); run `risk publish`.") from error


def _open_book(path):
    try:
        # immutable: a publication never changes, so SQLite needs no lock and no file beside it.
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False)
        connection.execute("select subject_id from scores limit 1").fetchone()
    except sqlite3.DatabaseError as error:
        raise PublicationDamaged(f"{path} cannot be read ({error}); run `risk publish`.") from error
    return connection
