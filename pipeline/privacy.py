"""`risk privacy`: what is kept of a person exported, erased and let expire; only the serving extra is needed."""

import os
from contextlib import contextmanager
from pathlib import Path

import msgspec

from features.errors import RiskError
from serving import subjects
from serving.pseudonyms import Pseudonyms
from serving.report_access import ReportAccess
from serving.settings import database_of, var_of
from serving.store import Store

EXPORT = "export of all that is kept"


def export_customer(customer, path, *, actor, database):
    """Write all that is kept of a customer to a new JSON file for its owner only, log who did, and return a sentence about it.

    Raises: RiskError where nothing is kept, or the file is there already or cannot be written.
    """
    _require_name(actor)
    with _opened(database) as store:
        found = subjects.exported(store, customer, var=var_of())
        if not found["database"] and not found["published"]:
            raise RiskError(f"nothing is kept of customer {customer}: check the id.")
        ReportAccess(store).record(customer, reader=actor.strip(), report=EXPORT, purpose="the person's right to a copy")
    _write_private(Path(path), msgspec.json.format(msgspec.json.encode(found), indent=2))
    rows = [f"{len(rows):,} {name}" for name, rows in found["database"].items()] + [f"{len(rows):,} published rows" for rows in found["published"].values()]
    return f"{path}: {', '.join(rows)} of {customer}; the export is logged."


def erase_customer(customer, *, actor, reason, database):
    """Erase a customer from the database, verify every chain afterwards, and return what was done and where it still stands.

    Raises: RiskError where the chains are not whole afterwards: what is wrong was wrong before, and is named.
    """
    _require_name(actor)
    if not reason.strip():
        raise RiskError("an erasure needs a reason in words: give one with --reason.")
    with _opened(database) as store:
        count = store.erase_customer(customer, actor=actor.strip(), reason=reason.strip())
        faults = store.verify()
    if faults:
        raise RiskError(f"{count:,} rows of {customer} are erased, but the ledgers are not whole: {faults[0].detail} ({len(faults)} faults).")
    done = f"{count:,} rows of {customer} are erased; every ledger is whole." if count else f"no ledger holds customer {customer}."
    left = subjects.where_published(customer, var=var_of())
    still = f"It still stands in what is published ({', '.join(left)}): take it out of the source, then `risk run`." if left else "It is in nothing published."
    exported = [f"Events stand in {inbox} as they were exported: run `risk inbox export` again."] if any((inbox := var_of() / "inbox").glob("*")) else []
    rest = ("Not reached from here: the source's own files and data/, which the next `risk run` makes anew from it, packs that `risk committee pack` wrote "
            "(delete them, and write anew the ones still needed), counterparties' ids in past publications' context, and backups.")
    return [done, still, *exported, rest]


def expire_rows(*, actor, keep, dry_run, database):
    """Erase what is past its time, and return lines about it; with dry_run only say what would be. keep: texts TABLE=DAYS. Raises: RiskError."""
    days = dict(map(_parsed, keep))
    with _opened(database) as store:
        if dry_run:
            found, what = subjects.expired(store, keep=days), "would be erased"
        else:
            _require_name(actor)
            found, what = subjects.expire(store, actor=actor.strip(), keep=days), "erased"
    return [f"{table}: {count:,} rows {what}" for table, count in found.items()] or ["nothing is past its time."]


def pseudonym_of(customer):
    """What a customer is called in the log."""
    return Pseudonyms(var_of()).of(customer)


def reading_lines(customer, *, database):
    """Who read reports on a customer, or on anybody, the oldest first."""
    with _opened(database) as store:
        found = ReportAccess(store).all(customer_id=customer)
    return [_reading_line(each) for each in found] or ["no report was read."]


@contextmanager
def _opened(database):
    with Store(database_of(database)).open() as store:
        yield store


def _parsed(text):
    table, _, days = text.partition("=")
    if not days.isdecimal():
        raise RiskError(f"--keep {text} is not TABLE=DAYS, such as decisions=3650.")
    return table, int(days)


def _reading_line(reading):
    by = f"{reading.reader} (key {reading.key_id})" if reading.key_id else reading.reader
    return f"{reading.made_at:%Y-%m-%d %H:%M} {by} read {reading.report} of {reading.customer_id}: {reading.purpose}"


def _require_name(actor):
    if not (actor or "").strip():
        raise RiskError("say who does it with --actor: it is written to the ledger.")


def _write_private(path, content):
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
    except OSError as error:
        raise RiskError(f"{path} cannot be written ({error.strerror}): name a new file in a folder that is there.") from error
