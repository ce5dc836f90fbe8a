"""Rows of `staged` that repeat a key: all but the first are set aside."""

from features.feeders.sql import quoted
from pipeline.contract_rules import cast


def set_duplicates_aside(connection, contract, found):
    """Add to `broken` the rows whose key an earlier valid row has, and say whether they are that row again or another one.

    A missing part of a key is a value like any other.
    """
    key = [cast(name, found[name], contract.column(name)) for name in contract.key if name in found]
    valid = valid_rows(connection)
    if _ascending(connection, key) or not _repeated(connection, key, valid):
        return
    row = ", ".join(f"s.{quoted(name)}" for name in found)
    keys = ", ".join(f"{part} AS key_{number}" for number, part in enumerate(key))
    same = ", ".join(f"key_{number}" for number in range(len(key)))
    connection.execute(f"""
        INSERT INTO broken BY NAME
        WITH suspects AS (SELECT s.rowid AS place, hash({row}) AS content, {keys}
                          FROM {valid} WHERE hash({', '.join(key)}) IN (FROM repeated)),
             told AS (SELECT *, row_number() OVER earlier AS nth, first_value(place) OVER earlier AS first_place, first_value(content) OVER earlier AS original
                      FROM suspects WINDOW earlier AS (PARTITION BY {same} ORDER BY place))
        SELECT place, CASE WHEN content = original THEN 'duplicate key: the same row again' ELSE 'duplicate key: another row' END AS rule,
               concat_ws(' ', {same}) AS key, concat_ws(' ', {same}, 'first in row', first_place + 1) AS value
        FROM told WHERE nth > 1""")
    connection.execute("DROP TABLE repeated")


def valid_rows(connection):
    """The rows of `staged`, as `s`, that are not in `broken`, for a FROM clause."""
    some = connection.execute("SELECT 1 FROM broken LIMIT 1").fetchone()
    return "staged s ANTI JOIN broken ON broken.place = s.rowid" if some else "staged s"


def _ascending(connection, key):
    """Whether each row's key is greater than the one before: true of most exports, and ten times faster to see than distinct keys are to count."""
    if len(key) > 1:
        return False
    steps = f"SELECT {key[0]} > lag({key[0]}) OVER () AS ascends FROM staged s"
    return connection.execute(f"SELECT count(*) FROM ({steps}) WHERE ascends IS NOT TRUE").fetchone()[0] == 1


def _repeated(connection, key, valid):
    """Hashes of keys that occur more than once, as the table `repeated`; a collision only makes a suspect that is then compared in full."""
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE repeated AS SELECT hashed FROM (
            SELECT hash({', '.join(key)}) AS hashed FROM {valid})
        GROUP BY hashed HAVING count(*) > 1""")
    return connection.execute("SELECT count(*) FROM repeated").fetchone()[0]
