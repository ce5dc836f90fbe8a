"""Zoned next to zone-less times: turned into UTC where every time says its zone, refused where some do not."""

import pandas as pd
import pytest

from features.errors import RiskError
from features.tables import TABLES
from pipeline.clocks import refuse_mixed_clocks
from pipeline.contract_rules import ZONED_TEXT
from pipeline.contracts import check_table
from pipeline.params import IngestParams
from pipeline.source import Source
from pipeline.staging import connect
from pipeline.zones import with_zones

LIMITS = IngestParams(max_reject_share=0, probe_rows=100, max_probe_share=0.5, rejects_per_rule=10, memory_limit="1GB", threads=1)
ZONED, NAIVE, DAY = "2024-01-05 10:00:00+08:00", "2024-01-05 10:00:00", "2024-01-05"


def stage(connection, known_at, occurred_at):
    """Payments whose two times are SQL expressions, a row for each pair."""
    rows = " UNION ALL ".join(f"SELECT 'P{number}' AS payment_id, 'C1' AS customer_id, {known} AS known_at, {happened} AS occurred_at, 100 AS amount"
                              for number, (known, happened) in enumerate(zip(known_at, occurred_at, strict=True)))
    connection.execute(f"CREATE TEMP TABLE staged AS {rows}")
    return dict(connection.execute("SELECT column_name, column_type FROM (DESCRIBE staged)").fetchall())


def zones(known_at, occurred_at):
    with connect(LIMITS) as connection:
        found = stage(connection, known_at, occurred_at)
        return with_zones(connection, TABLES["payments"], found, "source mine, payments.sql")


@pytest.mark.parametrize("text", [ZONED, "2024-01-05T02:00:00Z", "2024-01-05 10:00+08", "2024-01-05 10:00:00.5 Asia/Shanghai", "2024-01-05 02:00 UTC"])
def test_a_text_column_mixing_zoned_and_zoneless_times_is_refused(text):
    with pytest.raises(RiskError, match=r"payments.sql: column known_at has 1 times with a zone, as .* and 1 without, as 2024-01-05 10:00:00: say which zone "
                                        r"that is, e.g. known_at::TIMESTAMP AT TIME ZONE 'Asia/Shanghai' for the latter"):
        zones([f"'{text}'", f"'{NAIVE}'"], ["DATE '2024-01-05'"] * 2)


@pytest.mark.parametrize("naive", [f"TIMESTAMP '{NAIVE}'", f"'{NAIVE}'", f"TIMESTAMP_NS '{NAIVE}'"])
@pytest.mark.parametrize("zoned", [f"TIMESTAMPTZ '{ZONED}'", f"'{ZONED}'"])
def test_a_zoneless_column_beside_a_zoned_one_is_refused(zoned, naive):
    with pytest.raises(RiskError, match="column known_at gives times with a zone and column occurred_at without, as 2024-01-05 10:00:00: say which zone"):
        zones([zoned], [naive])


@pytest.mark.parametrize("day", [f"DATE '{DAY}'", f"'{DAY}'", f"TIMESTAMP '{DAY}'"])
def test_a_day_needs_no_zone(day):
    assert zones([f"TIMESTAMPTZ '{ZONED}'"], [day])["known_at"] == "TIMESTAMP WITH TIME ZONE"


def test_zoneless_times_alone_are_left_as_they_are():
    assert ZONED_TEXT not in zones([f"'{NAIVE}'"], [f"TIMESTAMP '{NAIVE}'"]).values()


def test_texts_that_all_say_their_zone_become_utc(tmp_path):
    with connect(LIMITS) as connection:
        stage(connection, [f"'{ZONED}'"], ["'2024-01-05T03:30:00+02:00'"])
        check_table(connection, "payments", where="", kept_path=tmp_path / "kept.parquet", rejects_path=tmp_path / "rejects.parquet", limits=LIMITS)
    kept = pd.read_parquet(tmp_path / "kept.parquet")
    assert (str(kept["known_at"].item()), str(kept["occurred_at"].item())) == ("2024-01-05 02:00:00", "2024-01-05 01:30:00")


def source_of(tmp_path, lines, sql="SELECT * FROM 'times.csv'"):
    (tmp_path / "times.csv").write_text("id,at\n" + "\n".join(lines) + "\n")
    (tmp_path / "payments.sql").write_text(sql)
    return Source("mine", tmp_path, "", ["default"], None, {"payments": tmp_path / "payments.sql"})


@pytest.mark.parametrize("lines", [
    [f"1,{ZONED}", f"2,{NAIVE}"],
    # Beyond DuckDB's sample: it has taken the column for zone-less and drops the offset.
    [*(f"{number},{NAIVE}" for number in range(25_000)), f"25000,{ZONED}"],
    [*(f"{number},2024-01-05T10:00:00Z" for number in range(25_000)), f"25000,{NAIVE}"],
])
def test_a_file_whose_column_mixes_zoned_and_zoneless_times_is_refused(tmp_path, lines):
    with connect(LIMITS) as connection, pytest.raises(RiskError, match=r"times.csv: column at has .* times with a zone, .* and .* without, as "
                                                                       r"2024-01-05 10:00:00, .*read the column as text in payments.sql"):
        refuse_mixed_clocks(connection, source_of(tmp_path, lines))


@pytest.mark.parametrize("text", [ZONED, NAIVE, DAY, "2024-01-05T10:00:00Z"])
def test_a_file_of_one_kind_of_times_is_fine(tmp_path, text):
    with connect(LIMITS) as connection:
        refuse_mixed_clocks(connection, source_of(tmp_path, [f"1,{text}", f"2,{text}"]))


def test_a_column_read_as_text_is_left_to_the_contract(tmp_path):
    sql = "SELECT * FROM read_csv('times.csv', types = {'at': 'VARCHAR'})"
    with connect(LIMITS) as connection:
        refuse_mixed_clocks(connection, source_of(tmp_path, [f"1,{ZONED}", f"2,{NAIVE}"], sql))
