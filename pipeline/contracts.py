"""Table contracts, checked by DuckDB: valid rows to `data/tables/`, the others with their rule to `data/rejects/`."""

import msgspec

from features.errors import RiskError
from features.feeders.sql import literal, quoted
from features.tables import TABLES
from pipeline.cast_reasons import cast_reason
from pipeline.contract_rules import NO_DAY_LIMIT, WHOLE_NUMBERS, cast, rules_of
from pipeline.datasets import write_json
from pipeline.duplicates import set_duplicates_aside, valid_rows
from pipeline.kept_rows import write_kept
from pipeline.zones import with_zones

RESERVED = ("status", "default_at", "event_seen")


class Intake(msgspec.Struct, frozen=True):
    """What became of one table: rows read and kept, rejects by rule, first and last day known."""

    read: int
    kept: int
    rejected: dict[str, int]
    known_from: str | None
    known_to: str | None


def check_table(connection, table, *, where, kept_path, rejects_path, limits, rejects_told=None, latest=NO_DAY_LIMIT):
    """Split the relation `staged` by the table's contract and write both parts as Parquet.

    Valid rows are ordered by customer and time. Rejects (table, row_number from 1 in the order of the input, rule, key, value) are written up to
    `limits.rejects_per_rule` rows a rule, the counts are of all; no file where there are none. `where` names the input and `rejects_told` the
    rejects' file in messages; nothing can be known after the day `latest`. `limits` is the section ingest of the parameters.

    Raises RiskError for a missing column, an amount that is not in whole minor units, zoned next to zone-less times, no rows at all, more rejects
    than `limits.max_reject_share` of the rows, or more than `limits.max_probe_share` of the first `limits.probe_rows` rows, before the others are
    looked at; the rejects are written all the same.
    """
    contract = TABLES[table]
    found = dict(connection.execute("SELECT column_name, column_type FROM (DESCRIBE staged)").fetchall())
    _require_columns(connection, contract, found, where)
    found = with_zones(connection, contract, found, where)
    read = connection.execute("SELECT count(*) FROM staged").fetchone()[0]
    if read == 0:
        raise RiskError(f"{where}: no rows for {table}: correct its WHERE clause, or remove the file if the source has no {table}.")
    judge = _Judge(connection, contract, found, rules_of(contract, found, latest=latest), where, rejects_path, rejects_told or rejects_path, limits)
    judge.probe(read)
    rejected = judge.all(read)
    write_kept(connection, contract, found, kept_path)
    intake = Intake(read, read - sum(rejected.values()), rejected, *_range(connection, contract, found))
    connection.execute("DROP TABLE broken")
    return intake


class _Judge:
    """Sets aside the rows of `staged` that break a rule, into the table `broken` (place, rule, key, value), and refuses a table with too many."""

    def __init__(self, connection, contract, found, rules, where, rejects_path, told, limits):
        self.connection, self.contract, self.found, self.rules, self.where = connection, contract, found, rules, where
        self.path, self.told, self.limits = rejects_path, told, limits
        self.key = " || ' ' || ".join(f"coalesce(s.{quoted(column)}::VARCHAR, '')" for column in contract.key if column in found)

    def probe(self, read):
        """Refuse a table most of whose first rows are wrong, without reading on."""
        rows = self.limits.probe_rows
        if rows >= read:
            return
        self._set_aside(f"s.rowid < {rows}")
        if self._count() > self.limits.max_probe_share * rows:
            rest = f", so the other {read - rows:,} were not looked at"
            self._refuse(rows, f"the first {rows:,}", f"ingest.max_probe_share = {self.limits.max_probe_share:g}{rest}")

    def all(self, read):
        """Rejects of the whole table by rule; the rejects' file is written where there are any."""
        self._set_aside("true")
        set_duplicates_aside(self.connection, self.contract, self.found)
        if self._count() > self.limits.max_reject_share * read:
            self._refuse(read, f"{read:,}", f"ingest.max_reject_share = {self.limits.max_reject_share:g}")
        self._write(read)
        return self._by_rule()

    def _set_aside(self, among):
        rule = " ".join(f"WHEN {each.test} THEN {each.name}" for each in self.rules)
        value = " ".join(f"WHEN {each.test} THEN {each.shown}::VARCHAR" for each in self.rules)
        broken = " OR ".join(each.test for each in self.rules)
        self.connection.execute(f"""
            CREATE OR REPLACE TEMP TABLE broken AS
            SELECT s.rowid AS place, CASE {rule} END AS rule, {self.key} AS key, CASE {value} END AS value
            FROM staged s WHERE {among} AND ({broken})""")

    def _count(self):
        return self.connection.execute("SELECT count(*) FROM broken").fetchone()[0]

    def _by_rule(self):
        return dict(self.connection.execute("SELECT rule, count(*) FROM broken GROUP BY rule ORDER BY rule").fetchall())

    def _write(self, judged):
        if self.path is None or not self._count():
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.connection.execute(f"""
            COPY (SELECT {literal(self.contract.name)} AS "table", place + 1 AS row_number, rule, key, value FROM broken
                  QUALIFY row_number() OVER (PARTITION BY rule ORDER BY place) <= {self.limits.rejects_per_rule} ORDER BY place)
            TO {literal(self.path)} (FORMAT parquet, COMPRESSION zstd)""")
        write_json(self.path.with_suffix(".json"), {"table": self.contract.name, "judged": judged, "rejected": self._by_rule()})

    def _refuse(self, judged, of, limit):
        self._write(judged)
        worst = self.connection.execute(
            "SELECT rule, count(*), arg_min(value, place), min(place) + 1 FROM broken GROUP BY rule ORDER BY count(*) DESC, rule").fetchall()
        told = ", ".join(f"{rule}: {rows:,}" for rule, rows, _, _ in worst)
        example = f"the first is row {worst[0][3]:,}" + (f" with {worst[0][2][:40]}" if worst[0][2] else "")
        kept = "" if self.path is None else f"; rejects are in {self.told}"
        raise RiskError(f"{self.where}: {self._count():,} of {of} rows of {self.contract.name} break its contract ({told}), more than {limit}: "
                        f"correct the source or raise the share ({example}{kept}).")


def _require_columns(connection, contract, found, where):
    taken = [name for name in RESERVED if contract.name == "observations" and name in found]
    if taken:
        raise RiskError(f"{where}: column {taken[0]} is a name that observe gives itself: rename it in the SELECT.")
    missing = [column.name for column in contract.columns if column.required and column.name not in found]
    if missing:
        given = ", ".join(found)
        raise RiskError(f"{where}: column {missing[0]} is missing (it gives {given}): add it to the SELECT.")
    for column in contract.columns:
        if column.name in found:
            _require_type(connection, column, found[column.name], where)


def _require_type(connection, column, kind, where):
    if column.kind == "money" and kind not in WHOLE_NUMBERS and kind != '"NULL"':
        remedy = _money_text(connection, column.name) if kind == "VARCHAR" else f"give round({column.name} * 100)::BIGINT"
        raise RiskError(f"{where}: column {column.name} is {kind}, expected whole minor units (cents): {remedy}.")
    if column.kind == "id" and kind in ("DOUBLE", "FLOAT"):
        raise RiskError(f"{where}: column {column.name} is {kind}, and 7.0 is another id than 7: read it as text (types = {{…: 'VARCHAR'}}), "
                        f"or give {column.name}::BIGINT where no leading zeros can be lost.")


def _money_text(connection, name):
    """How to turn the texts of a money column into minor units, by the first that is no plain number."""
    odd = connection.execute(f"SELECT {quoted(name)}, {cast_reason(quoted(name), 'number')} FROM staged WHERE trim({quoted(name)}) <> '' "
                             f"AND try_cast({quoted(name)} AS DOUBLE) IS NULL LIMIT 1").fetchone()
    if odd is None:
        return f"give round({name}::DECIMAL(18, 4) * 100)::BIGINT"
    plain = {"a decimal comma": f"replace(replace({name}, '.', ''), ',', '.')", "a thousands separator": f"replace({name}, ',', '')"}.get(odd[1])
    given = f", e.g. round({plain}::DECIMAL(18, 4) * 100)::BIGINT" if plain else ""
    return f"its texts, as {odd[0]} ({odd[1]}), need to be made numbers first{given}"


def _range(connection, contract, found):
    if "known_at" not in found:
        return None, None
    known = cast("known_at", found["known_at"], contract.column("known_at"))
    return connection.execute(f"SELECT min({known})::DATE::VARCHAR, max({known})::DATE::VARCHAR FROM {valid_rows(connection)}").fetchone()
