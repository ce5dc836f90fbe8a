"""Every kind of input arrives under its name with the types its file or server gives, or is refused in one sentence."""

import datetime
import os
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from real_sets import SHARED, needs
from sqlalchemy import create_engine, text
from workbook import workbook

from features.errors import RiskError
from pipeline.inputs import open_inputs
from pipeline.source import Source
from pipeline.source_file import Arff, Excel, PostgreSQL, Text
from pipeline.watermarks import refresh

URL = os.environ.get("CUSTOMER_RISK_POSTGRES_URL")
needs_postgresql = pytest.mark.skipif(not URL, reason="CUSTOMER_RISK_POSTGRES_URL names no server")
DAY = datetime.date(2024, 3, 1)
NOON = datetime.datetime(2024, 3, 1, 12)


def source(folder, sql="SELECT * FROM given", *, name="mine", **inputs):
    """A source of one query over some inputs."""
    query = folder / "customers.sql"
    query.write_text(sql, encoding="utf-8")
    return Source(name, folder, "a test", ["default"], None, {"customers": query}, inputs=inputs)


def opened(folder, spec):
    """A connection on which the input `given` is open."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    open_inputs(connection, source(folder, given=spec))
    return connection


def rows(folder, spec):
    return opened(folder, spec).execute("FROM given").fetchall()


def types(folder, spec):
    return dict(opened(folder, spec).execute("SELECT column_name, column_type FROM (DESCRIBE given)").fetchall())


def test_only_inputs_that_the_sql_names_are_opened(tmp_path):
    (tmp_path / "a.txt").write_text("id\n1\n")
    sql = "-- the absent one is not read\nSELECT 'absent' AS kind, * FROM Given"
    connection = duckdb.connect()
    open_inputs(connection, source(tmp_path, sql, given=Text("a.txt", "utf-8"), absent=Text("nowhere.txt", "utf-8")))
    assert connection.execute("FROM given").fetchall() == [("1",)]
    assert connection.execute("SELECT table_name FROM duckdb_tables()").fetchall() == [("given",)]


def test_an_input_is_read_once_a_connection(tmp_path):
    (tmp_path / "a.txt").write_text("id\n1\n")
    mine, connection = source(tmp_path, given=Text("a.txt", "utf-8")), duckdb.connect()
    open_inputs(connection, mine)
    (tmp_path / "a.txt").unlink()
    open_inputs(connection, mine)
    assert connection.execute("FROM given").fetchall() == [("1",)]


def test_an_input_cannot_take_the_name_of_a_table_of_the_intake(tmp_path):
    (tmp_path / "a.txt").write_text("id\n1\n")
    connection = duckdb.connect()
    connection.execute("CREATE TEMP TABLE staged AS SELECT 1 AS id")
    with pytest.raises(RiskError, match="input staged: the intake has a table of that name"):
        open_inputs(connection, source(tmp_path, "FROM staged", staged=Text("a.txt", "utf-8")))


@pytest.mark.parametrize("spec", [Excel("no.xlsx"), Arff("no.arff"), Text("no.txt", "cp1252")])
def test_a_missing_file_is_named(tmp_path, spec):
    with pytest.raises(RiskError, match=r"no\.\w+ does not exist: correct `file:` of the input"):
        opened(tmp_path, spec)


def test_cells_keep_their_types(tmp_path):
    workbook(tmp_path / "a.xlsx", S=[["id", "date", "moment", "whole", "amount", "flag", "none"], ["007", DAY, NOON, 17, 1.5, True, None],
                                     ["008", DAY, None, 18, 2, False, None]])
    assert types(tmp_path, Excel("a.xlsx")) == {"id": "VARCHAR", "date": "TIMESTAMP", "moment": "TIMESTAMP", "whole": "BIGINT", "amount": "DOUBLE",
                                                "flag": "BOOLEAN", "none": "VARCHAR"}
    assert rows(tmp_path, Excel("a.xlsx"))[0] == ("007", datetime.datetime(2024, 3, 1), NOON, 17, 1.5, True, None)


MIXED = {
    "number and text": ([1, "x", 2.5], ["1", "x", "2.5"]),
    "date and text": ([DAY, "2024-01-01"], ["2024-03-01 00:00:00", "2024-01-01"]),
    "date and number": ([45000, DAY], ["45000", "2024-03-01 00:00:00"]),
    "truth value and number": ([True, 0], ["true", "0"]),
    "text far down": ([*range(1500), "x"], [*map(str, range(1500)), "x"]),
}


@pytest.mark.parametrize("case", MIXED)
def test_a_column_of_mixed_types_is_text(tmp_path, case):
    cells, expected = MIXED[case]
    workbook(tmp_path / "a.xlsx", S=[["n", "v"], *([1.5, cell] for cell in cells)])
    assert types(tmp_path, Excel("a.xlsx")) == {"n": "DOUBLE", "v": "VARCHAR"}
    assert [row[1] for row in rows(tmp_path, Excel("a.xlsx"))] == expected


def test_empty_rows_blanks_and_error_cells_are_nothing(tmp_path):
    workbook(tmp_path / "a.xlsx", S=[["id", "v"], ["1", "#N/A"], [], [" ", None], ["2", 1.5]])
    assert rows(tmp_path, Excel("a.xlsx")) == [("1", None), ("2", 1.5)]


def test_a_sheet_and_its_header_row_are_chosen(tmp_path):
    workbook(tmp_path / "a.xlsx", First=[["x"], [1]], Second=[["Customers 2024"], [], [None, "id", "v"], [None, True, 1.5], [None, "b", 2]])
    assert rows(tmp_path, Excel("a.xlsx")) == [(1,)]
    assert rows(tmp_path, Excel("a.xlsx", sheet="Second", header_row=3)) == [("true", 1.5), ("b", 2.0)]


def test_a_sheet_that_begins_further_right_and_down_keeps_its_names(tmp_path):
    workbook(tmp_path / "a.xlsx", S=[[], [None, "n", "flag"], [None, 1.5, True], [None, 2, 0]])
    assert types(tmp_path, Excel("a.xlsx", header_row=2)) == {"n": "DOUBLE", "flag": "VARCHAR"}
    assert rows(tmp_path, Excel("a.xlsx", header_row=2)) == [(1.5, "true"), (2.0, "0")]


WORKBOOK_FAULTS = {
    "no sheet": (Excel("a.xlsx", sheet="Third"), "has no sheet Third: its sheets are First, Twice"),
    "no header": (Excel("a.xlsx", header_row=9), "sheet First: row 9 holds no column names"),
    "twice": (Excel("a.xlsx", sheet="Twice"), "sheet Twice: the column name A stands twice in row 1"),
    "no workbook": (Excel("b.xlsx"), r"b\.xlsx cannot be read as a workbook"),
}


@pytest.mark.parametrize("case", WORKBOOK_FAULTS)
def test_a_workbook_is_refused_in_one_sentence(tmp_path, case):
    workbook(tmp_path / "a.xlsx", First=[["x"], [1]], Twice=[["a", "A"], [1, 2]])
    (tmp_path / "b.xlsx").write_text("id,v\n1,2\n")
    spec, message = WORKBOOK_FAULTS[case]
    with pytest.raises(RiskError, match=message):
        opened(tmp_path, spec)


ARFF = "@relation r\n@attribute ratio numeric\n@attribute 'legal form' {AG,GmbH}\n@attribute class {0,1}\n@data\n1.5,AG,0\n?,?,1\n"


def test_arff_attributes_keep_their_types_and_question_marks_are_null(tmp_path):
    (tmp_path / "a.arff").write_text(ARFF)
    assert types(tmp_path, Arff("a.arff")) == {"ratio": "DOUBLE", "legal form": "VARCHAR", "class": "VARCHAR"}
    assert rows(tmp_path, Arff("a.arff")) == [(1.5, "AG", "0"), (None, None, "1")]


ARFF_FAULTS = {"no arff": "id,v\n1,2\n", "text attribute": ARFF.replace("numeric", "string"), "unknown value": ARFF.replace("1.5,AG", "1.5,KG"),
               "twice": ARFF.replace("ratio", "CLASS"), "letters in a number": ARFF.replace("1.5", "abc")}


@pytest.mark.parametrize("case", ARFF_FAULTS)
def test_an_arff_is_refused_in_one_sentence(tmp_path, case):
    (tmp_path / "a.arff").write_text(ARFF_FAULTS[case])
    with pytest.raises(RiskError, match=r"a\.arff(: the attribute class is there twice| cannot be read as ARFF)"):
        opened(tmp_path, Arff("a.arff"))


@needs("polish_bankruptcy")
def test_the_polish_set_arrives_whole():
    from pipeline.readers.arff import read

    table = read(Arff("5year.arff"), SHARED / "polish_bankruptcy")
    assert (table.num_rows, table.num_columns) == (5910, 65)
    assert table.column("class").to_pylist().count("1") == 410
    assert sum(column.null_count for column in table.columns) == (SHARED / "polish_bankruptcy" / "5year.arff").read_text().count("?")


ENCODED = {"cp1252": "Müller – 5 €", "cp1250": "Příliš žluťoučký", "gb18030": "中国银行", "big5": "中國銀行", "utf-16": "Ωmega",
           "utf-8": "naïve", "utf-8-sig": "naïve"}


@pytest.mark.parametrize("encoding", ENCODED)
def test_text_is_decoded_and_nothing_is_guessed(tmp_path, encoding):
    content = f"{ENCODED[encoding]};no;when\r\n007;1,50;01.02.2024\r\n;\"a;\r\nb\";{ENCODED[encoding]}\r\n"
    (tmp_path / "a.txt").write_bytes(content.encode(encoding))
    assert set(types(tmp_path, Text("a.txt", encoding, ";")).values()) == {"VARCHAR"}
    assert rows(tmp_path, Text("a.txt", encoding, ";")) == [("007", "1,50", "01.02.2024"), (None, "a;\nb", ENCODED[encoding])]


def test_text_is_streamed_across_chunks(tmp_path):
    lines = [f"{number},Müller" for number in range(300_000)]
    (tmp_path / "a.txt").write_bytes(("id,name\n" + "\n".join(lines)).encode("utf-16"))
    found = opened(tmp_path, Text("a.txt", "utf-16")).execute("SELECT count(*), min(id::INTEGER), max(id::INTEGER), min(name), max(name) FROM given").fetchone()
    assert found == (300_000, 0, 299_999, "Müller", "Müller")


def test_a_column_without_a_name_is_called_after_its_place(tmp_path):
    (tmp_path / "a.txt").write_text("id,\n1,2\n")
    assert list(types(tmp_path, Text("a.txt", "cp1252"))) == ["id", "column1"]


TEXT_FAULTS = {
    "byte": (b"id,v\n1,a\n2,\x81\n", "cp1252", r"a\.txt, line 3: the byte 0x81 is no cp1252"),
    "cut short": ("id,v\n1,中".encode("gb18030")[:-1], "gb18030", r"line 2: the byte 0xd6 is no gb18030"),
    "unknown encoding": (b"id\n", "cp9999", "there is no text encoding cp9999"),
    "no text encoding": (b"id\n", "rot13", "there is no text encoding rot13"),
    "twice": (b"id,v, ID\n1,2,3\n", "cp1252", "the column ID is there twice"),
    "ragged": (b"id,v\n1,2\n1,2,3\n", "cp1252", "cannot be read as delimited text .*[Ee]xpected 2 columns, got 3"),
    "utf-16 read otherwise": ("id,v\n1,2\n".encode("utf-16-le"), "cp1252", "holds a NUL character when read as cp1252"),
    "empty": (b"", "cp1252", "cannot be read as delimited text"),
}


@pytest.mark.parametrize("case", TEXT_FAULTS)
def test_a_text_is_refused_in_one_sentence(tmp_path, case):
    content, encoding, message = TEXT_FAULTS[case]
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(RiskError, match=message):
        opened(tmp_path, Text("a.txt", encoding))


def test_a_late_fault_leaves_no_half_read_input(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"id\n" + b"1\n" * 20_000_000 + b"\x81\n")
    connection = duckdb.connect()
    with pytest.raises(RiskError, match="line 20,000,002: the byte 0x81"):
        open_inputs(connection, source(tmp_path, given=Text("a.txt", "cp1252")))
    assert connection.execute("SELECT table_name FROM duckdb_tables()").fetchall() == []


def test_a_delimiter_of_two_characters_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("id||v\n")
    with pytest.raises(RiskError, match="is not one ASCII character"):
        opened(tmp_path, Text("a.txt", "utf-8", "||"))


@pytest.fixture
def database(tmp_path, monkeypatch):
    """A function that runs statements in a schema of its own on the real server; TEST_URL leads there."""
    engine, schema = create_engine(URL), f"test_{os.getpid()}_{tmp_path.name}".lower()[:60].rstrip("_")
    monkeypatch.setenv("TEST_URL", URL)

    def run(*statements):
        with engine.begin() as connection:
            connection.execute(text(f'SET search_path TO "{schema}"'))
            for statement in statements:
                connection.execute(text(statement))

    run(f'CREATE SCHEMA "{schema}"')
    run.schema = schema
    yield run
    run(f'DROP SCHEMA "{schema}" CASCADE')
    engine.dispose()


def answer(query):
    return PostgreSQL("TEST_URL", query)


ANSWERS = {
    "1.10::numeric(12, 2)": ("DECIMAL(12,2)", Decimal("1.10")),
    "sum(x) FROM (VALUES (0.10::numeric), (12345678901234567890.02)) AS t (x)": ("DECIMAL(38,10)", Decimal("12345678901234567890.12")),
    "'2024-03-01 10:00+08'::timestamptz": ("TIMESTAMP WITH TIME ZONE", "2024-03-01 02:00:00+00"),
    "'2024-03-01 10:00:00.5'::timestamp": ("TIMESTAMP", datetime.datetime(2024, 3, 1, 10, 0, 0, 500_000)),
    "'2024-03-01'::date": ("DATE", DAY),
    "'infinity'::timestamptz": ("TIMESTAMP WITH TIME ZONE", "infinity"),
    "'-infinity'::timestamp": ("TIMESTAMP", "-infinity"),
    "'infinity'::date": ("DATE", "infinity"),
    "'ab'::char(5)": ("VARCHAR", "ab"),
    "'007'::text": ("VARCHAR", "007"),
    "7::bigint": ("BIGINT", 7),
    "0.1::float8": ("DOUBLE", 0.1),
    "true": ("BOOLEAN", True),
    "NULL::numeric": ("DECIMAL(38,10)", None),
    "NULL::timestamptz": ("TIMESTAMP WITH TIME ZONE", None),
}


@needs_postgresql
@pytest.mark.parametrize("expression", ANSWERS)
def test_types_of_postgresql_arrive_whole(tmp_path, database, expression):
    head, _, rest = expression.partition(" FROM ")
    connection = opened(tmp_path, answer(f"SELECT {head} AS v" + (f" FROM {rest}" if rest else "")))
    kind, expected = ANSWERS[expression]
    assert connection.execute("SELECT column_type FROM (DESCRIBE given)").fetchone() == (kind,)
    shown = "v::VARCHAR" if isinstance(expected, str) else "v"
    assert connection.execute(f"SELECT {shown} FROM given").fetchone() == (expected,)


@needs_postgresql
def test_an_enumeration_is_text(tmp_path, database):
    database("CREATE TYPE mood AS ENUM ('good', 'bad')", "CREATE TABLE t AS SELECT 'bad'::mood AS v")
    assert rows(tmp_path, answer(f'SELECT v FROM "{database.schema}".t')) == [("bad",)]


@needs_postgresql
def test_an_answer_without_rows_has_its_columns(tmp_path, database):
    assert types(tmp_path, answer("SELECT 1 AS a, 1.5::numeric(6, 3) AS b WHERE false;")) == {"a": "INTEGER", "b": "DECIMAL(6,3)"}


@needs_postgresql
def test_a_long_answer_is_streamed_in_batches(tmp_path, database):
    query = "SELECT g AS id, (g / 100.0)::numeric(12, 2) AS amount FROM generate_series(1, 600000) AS g"
    found = opened(tmp_path, answer(query)).execute("SELECT count(*), sum(amount) FROM given").fetchone()
    assert found == (600_000, Decimal("1800003000.00"))


@needs_postgresql
def test_inputs_of_one_database_come_from_one_snapshot(tmp_path, database):
    mine = source(tmp_path, "SELECT one.at = two.at AS same FROM one, two", one=answer("SELECT now() AS at"), two=answer("SELECT now() AS at"))
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    open_inputs(connection, mine)
    assert connection.execute("SELECT one.at = two.at FROM one, two").fetchone() == (True,)


POSTGRESQL_FAULTS = {
    "selec 1": 'input given: its query fails .*syntax error at or near "selec".*: correct the query',
    "SELECT * FROM nowhere": 'relation "nowhere" does not exist',
    "SELECT 1 AS a, 2 AS A": "input given: its query gives the column a twice",
    "SELECT 'NaN'::numeric AS v": "input given: a value of v does not fit .*nan",
    "SELECT '1.5'::money AS v": "column v is money, .*give v::numeric in the query",
    "SELECT '1.2.3.4'::inet AS v": "column v is of type inet: give v::text in the query",
    "SELECT 1 / (3 - g) AS v FROM generate_series(1, 3) AS g": "its query fails .*division by zero",
    "CREATE TABLE risk_test_written (a int)": "its query fails .*read-only transaction",
}


@needs_postgresql
@pytest.mark.parametrize("query", POSTGRESQL_FAULTS)
def test_a_query_is_refused_in_one_sentence(tmp_path, database, query):
    with pytest.raises(RiskError, match=POSTGRESQL_FAULTS[query]) as refusal:
        opened(tmp_path, answer(query))
    assert "\n" not in str(refusal.value)


UNREACHABLE = {
    None: "the environment variable TEST_URL is not set",
    "mysql://user:secret@host/db": "the environment variable TEST_URL holds no PostgreSQL URL",
    "postgresql+psycopg://user:secret@127.0.0.1:1/db": r"the database of TEST_URL cannot be reached \(nothing listens at its address\)",
    "postgresql://user:secret@host.invalid/db": "the database of TEST_URL cannot be reached",
    "postgresql://user:sec[secret@127.0.0.1/db": r"TEST_URL holds no URL: write signs such as \[ and @ of the password as %5B and %40",
    "postgresql://user:\u2100secret@127.0.0.1/db": "TEST_URL holds no URL",
}


@pytest.mark.parametrize("url", UNREACHABLE)
def test_a_database_out_of_reach_is_named_by_its_variable_and_no_secret_is_shown(tmp_path, monkeypatch, url):
    monkeypatch.delenv("TEST_URL", raising=False)
    if url:
        monkeypatch.setenv("TEST_URL", url)
    with pytest.raises(RiskError, match=UNREACHABLE[url]) as refusal:
        opened(tmp_path, answer("SELECT 1 AS a"))
    assert not any(part in str(refusal.value) for part in ("secret", "127.0.0.1", "host.invalid"))


@needs_postgresql
def test_an_unknown_user_is_not_named(tmp_path, database, monkeypatch):
    monkeypatch.setenv("TEST_URL", URL.replace("//postgres@", "//nobody:secret@"))
    with pytest.raises(RiskError, match="it has no such user or database") as refusal:
        opened(tmp_path, answer("SELECT 1 AS a"))
    assert "nobody" not in str(refusal.value)


def mark(folder, **inputs):
    refresh(source(folder, "FROM " + ", ".join(inputs) if inputs else "SELECT 1", **inputs))
    return (folder / "var" / "watermarks" / "mine.json").read_text()


@needs_postgresql
@pytest.mark.parametrize("end", [";", " -- the whole", "; -- the whole", ";\n-- the\n-- whole\n"])
def test_a_query_may_end_in_a_semicolon_or_a_comment(tmp_path, database, monkeypatch, end):
    monkeypatch.chdir(tmp_path)
    assert rows(tmp_path, answer(f"SELECT 'a; --b' AS a{end}")) == [("a; --b",)]
    assert '"1"' in mark(tmp_path, given=answer(f"SELECT 1 AS a{end}"))


@needs_postgresql
def test_a_watermark_moves_with_the_answer_and_not_with_the_order_of_its_rows(tmp_path, database, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = f'"{database.schema}".t'
    database("CREATE TABLE t (id int, v numeric)", "INSERT INTO t VALUES (1, 1.0), (2, NULL), (2, NULL)")
    whole = answer(f"SELECT * FROM {table}")
    first = mark(tmp_path, given=whole)
    assert mark(tmp_path, given=answer(f"SELECT * FROM {table} ORDER BY id DESC")) == first
    seen = {first}
    for change in ("UPDATE t SET v = 1.1 WHERE id = 1", "DELETE FROM t WHERE ctid = (SELECT max(ctid) FROM t WHERE id = 2)", "INSERT INTO t VALUES (3, 3)"):
        database(change)
        seen.add(mark(tmp_path, given=whole))
    assert len(seen) == 4


@needs_postgresql
def test_a_stated_watermark_is_asked_instead(tmp_path, database, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert '"7"' in mark(tmp_path, given=PostgreSQL("TEST_URL", "SELECT random() AS a", watermark="SELECT 7, max(g) FROM generate_series(1, 9) AS g"))
    with pytest.raises(RiskError, match="its watermark gives 2 rows, not one"):
        mark(tmp_path, given=PostgreSQL("TEST_URL", "SELECT 1 AS a", watermark="SELECT generate_series(1, 2)"))


def test_a_source_within_its_folder_has_an_empty_watermark(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("id\n1\n")
    assert mark(tmp_path, given=Text("a.txt", "cp1252")) == "{}\n"


def test_a_file_outside_the_folder_moves_the_watermark(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "files").mkdir()
    (tmp_path / "elsewhere").mkdir()
    other = tmp_path / "elsewhere" / "b.csv"
    other.write_text("id\n1\n")
    query = tmp_path / "files" / "customers.sql"
    query.write_text(f"FROM '{other}'")
    mine = Source("mine", tmp_path / "files", "a test", ["default"], None, {"customers": query})
    refresh(mine)
    before = Path("var/watermarks/mine.json").read_text()
    other.write_text("id\n1\n2\n")
    refresh(mine)
    assert str(other) in before
    assert Path("var/watermarks/mine.json").read_text() != before
