"""Times with a zone that a source's SQL would read as times without one."""

import pytest

from features.errors import RiskError
from pipeline.dropped_zones import refuse_dropped_zones
from pipeline.params import load_params
from pipeline.source import Source
from pipeline.source_file import Text
from pipeline.staging import connect

LIMITS = load_params().ingest
ZONED, NAIVE = "2024-01-05 23:00:00+08:00", "2024-01-05 23:00:00"
AS_TEXT = "read_csv('times.csv', all_varchar = true)"


def look(folder, sql, *, text=None, file="times.csv", inputs=None):
    (folder / file).write_text(text or f"id,seen\n1,{ZONED}\n2,{ZONED}\n")
    (folder / "payments.sql").write_text(sql)
    with connect(LIMITS) as connection:
        refuse_dropped_zones(connection, Source("mine", folder, "", ["default"], None, {"payments": folder / "payments.sql"}, inputs=inputs or {}))


@pytest.mark.parametrize("sql", [
    f"SELECT seen::TIMESTAMP AS known_at FROM {AS_TEXT}",
    f"SELECT try_cast(t.seen AS TIMESTAMP) AS known_at FROM {AS_TEXT} t",
    "SELECT seen::DATETIME AS known_at FROM read_csv('times.csv', types = {'seen': 'VARCHAR'})",
    "SELECT seen AS known_at FROM read_csv('times.csv', types = {'seen': 'TIMESTAMP'})",
    "SELECT b::TIMESTAMP AS known_at FROM read_csv('times.csv', skip = 1, header = false, names = ['a', 'b'], all_varchar = true)",
])
def test_a_cast_that_drops_the_zone_is_refused(tmp_path, sql):
    with pytest.raises(RiskError, match=r"times.csv: column (seen|b) has times with a zone, as 2024-.*payments.sql makes it TIMESTAMP, which drops"):
        look(tmp_path, sql)


@pytest.mark.parametrize("sql", [
    f"SELECT seen::TIMESTAMPTZ AT TIME ZONE 'UTC' AS known_at FROM {AS_TEXT}",
    f"SELECT left(seen, 19)::TIMESTAMP AS known_at FROM {AS_TEXT}",
    f"SELECT CASE WHEN seen LIKE '%+%' THEN seen::TIMESTAMPTZ AT TIME ZONE 'UTC' ELSE seen::TIMESTAMP END AS known_at FROM {AS_TEXT}",
    "SELECT seen::TIMESTAMP AS known_at FROM 'times.csv'",  # DuckDB sees the zones itself and gives UTC
    "SELECT seen FROM read_csv('times.csv', types = {'seen': 'TIMESTAMP'}, timestampformat = '%Y-%m-%d %H:%M:%S%z')",
    "SELECT 1 AS known_at WHERE",
])
def test_a_query_that_keeps_the_zone_or_drops_it_knowingly_is_fine(tmp_path, sql):
    look(tmp_path, sql)


def test_times_without_a_zone_are_fine(tmp_path):
    look(tmp_path, f"SELECT seen::TIMESTAMP AS known_at FROM {AS_TEXT}", text=f"id,seen\n1,{NAIVE}\n2,2024-01-05\n")


@pytest.mark.parametrize(("sql", "second"), [
    ("SELECT p.seen::TIMESTAMP AS known_at FROM 'times.json'", NAIVE),
    ("SELECT p.seen AS known_at FROM read_json('times.json', columns = {'p': 'STRUCT(seen VARCHAR)', 'seen': 'TIMESTAMP'})", ZONED),
])
def test_json_is_looked_at_too(tmp_path, sql, second):
    text = f'{{"p": {{"seen": "{ZONED}"}}, "seen": "{ZONED}"}}\n{{"p": {{"seen": "{second}"}}, "seen": "{ZONED}"}}\n'
    with pytest.raises(RiskError, match="times.json: column seen has times with a zone"):
        look(tmp_path, sql, text=text, file="times.json")


def test_the_texts_of_an_input_are_looked_at_too(tmp_path):
    with pytest.raises(RiskError, match="input desk: column seen has times with a zone, as 2024-01-05 23:00:00\\+08:00"):
        look(tmp_path, "SELECT seen::TIMESTAMP AS known_at FROM desk", inputs={"desk": Text(file="times.csv", encoding="cp1252")})
