"""Which files a source reads, whether they stay as they are, and what is wrong with their bytes."""

import codecs
import gzip
import os
from pathlib import Path

import duckdb
import pytest
from workbook import workbook

from features.errors import RiskError
from pipeline import text_scan
from pipeline.files import fingerprint, inspect_files, missing_files, read_files, watching
from pipeline.source import Source
from pipeline.source_file import CompanyReports, PostgreSQL, Text

MARK = codecs.BOM_UTF8


def source(folder, sql="FROM 'a.csv'", **inputs):
    """A source of one query over the files in `files`."""
    (folder / "files").mkdir(exist_ok=True)
    query = folder / "customers.sql"
    query.write_text(sql, encoding="utf-8")
    return Source("mine", folder / "files", "a test", ["default"], None, {"customers": query}, inputs=inputs)


def put(folder, name, content=b"id,v\n1,2\n"):
    place = folder / "files" / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    return place


def inspected(folder, content, sql="FROM 'a.csv'", name="a.csv"):
    put(folder, name, content)
    return inspect_files(source(folder, sql))


QUERIES = {
    "FROM 'a.csv'": ["a.csv"],
    'SELECT * FROM "a.csv" AS x JOIN \'b.csv\' USING (id)': ["a.csv", "b.csv"],
    "SELECT * FROM a.csv": ["a.csv"],
    "SELECT * FROM 'a.csv', 'b.csv' WHERE x = 'c.csv'": ["a.csv", "b.csv"],
    "SELECT * FROM read_csv(['a.csv', 'b.csv'], header = true, nullstr = 'c.csv')": ["a.csv", "b.csv"],
    "FROM read_csv($$a.csv$$)": ["a.csv"],
    "FROM '*.csv'": ["a.csv", "b.csv", "c.csv", "it's.csv"],
    "FROM 'in/**/*.csv'": ["in/deep/d.csv"],
    "-- it's not 'b.csv'\nFROM 'a.csv' /* nor FROM 'c.csv' */": ["a.csv"],
    "SELECT 'b.csv' AS name, replace(x, 'c.csv', '*') FROM 'a.csv'": ["a.csv"],
    "WITH t AS (SELECT * FROM read_csv('b.csv')) SELECT * FROM t WHERE id NOT IN (SELECT id FROM 'a.csv')": ["a.csv", "b.csv"],
    "FROM 'it''s.csv'": ["it's.csv"],
    "SELECT 1": [],
}


@pytest.mark.parametrize("sql", QUERIES)
def test_the_files_that_a_query_reads_are_found(tmp_path, sql):
    for name in ("a.csv", "b.csv", "c.csv", "in/deep/d.csv", "it's.csv"):
        put(tmp_path, name)
    found = [str(file.path.relative_to(tmp_path / "files")) for file in read_files(source(tmp_path, sql))]
    assert sorted(found) == QUERIES[sql]


def test_files_of_inputs_count_where_the_sql_names_the_input(tmp_path):
    for name in ("a.txt", "b.txt", "reports/1.json", "reports/2.json"):
        put(tmp_path, name)
    mine = source(tmp_path, "SELECT * FROM one, two, three", one=Text("a.txt", "cp1252"), two=CompanyReports("reports/*.json"),
                  three=PostgreSQL("X_URL", "SELECT 1"), four=Text("b.txt", "cp1252"))
    assert [file.path.name for file in read_files(mine)] == ["a.txt", "1.json", "2.json"]


def test_missing_files_are_those_that_the_sql_or_an_input_names(tmp_path):
    put(tmp_path, "a.csv")
    mine = source(tmp_path, "FROM 'a.csv', 'b.csv', one, some_table", one=Text("c.txt", "cp1252"))
    assert missing_files(mine) == ["b.csv", "c.txt"]


def test_a_source_of_one_file_has_its_folder_to_search(tmp_path):
    place = put(tmp_path, "a.csv")
    query = tmp_path / "observations.sql"
    query.write_text("FROM 'a.csv'")
    mine = Source("mine", place, "a test", ["default"], None, {"observations": query})
    assert [file.path for file in read_files(mine)] == [place]


def test_a_name_in_the_working_folder_does_not_hide_the_sources_file(tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "a.csv").write_text("id\n1\n")
    monkeypatch.chdir(tmp_path / "work")
    with pytest.raises(RiskError, match=r"a\.csv lies in the working folder as well as in .*, and DuckDB takes the former"):
        inspected(tmp_path, b"id\n2\n")


def test_a_fingerprint_is_size_and_time_by_path(tmp_path):
    place = put(tmp_path, "a.csv")
    os.utime(place, ns=(5, 7))
    assert fingerprint(source(tmp_path)) == {str(place): (9, 7)}


CHANGES = {
    "appended": (lambda place: place.write_bytes(place.read_bytes() + b"3,4\n"), r"a\.csv changed while the source was read"),
    "touched": (lambda place: os.utime(place, ns=(1, 1)), r"a\.csv changed while"),
    "removed": (Path.unlink, r"a\.csv was removed while"),
    "another one": (lambda place: place.with_name("a2.csv").write_bytes(b"id,v\n"), r"a2\.csv appeared while"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path, change):
    place = put(tmp_path, "a.csv")
    act, message = CHANGES[change]
    with pytest.raises(RiskError, match=message), watching(source(tmp_path, "FROM 'a*.csv'")):
        act(place)


def test_the_change_is_named_and_not_the_fault_that_it_caused(tmp_path):
    place = put(tmp_path, "a.csv")
    with pytest.raises(RiskError, match="changed while the source was read"), watching(source(tmp_path)):
        _fail_after(place.write_bytes, b"")


def _fail_after(act, *arguments):
    act(*arguments)
    raise RiskError("the SQL fails")


def test_a_fault_of_its_own_stays(tmp_path):
    put(tmp_path, "a.csv")
    with pytest.raises(RiskError, match="the SQL fails"), watching(source(tmp_path)):
        raise RiskError("the SQL fails")


def test_files_that_stay_may_be_read(tmp_path):
    put(tmp_path, "a.csv")
    mine = source(tmp_path)
    with watching(mine):
        assert duckdb.sql(f"FROM '{mine.path}/a.csv'").fetchall() == [(1, 2)]


CJK = "客户,名称\n1,中国银行股份有限公司\n2,女\n3,上海汽车集团\n" * 30
REFUSED = {
    "empty": (b"", r"a\.csv is empty: export it again, or remove customers\.sql"),
    "nothing but a mark": (MARK + b"\n", "is empty"),
    "cp1252": ("id,name\n1,Ott\n2,Müller\n".encode("cp1252"), r"is not UTF-8 from line 3 on \(likely cp\w+\); read so, that line is: 2,M.* encoding: cp\w+"),
    "gb18030": (CJK.encode("gb18030"), "is not UTF-8 from line 1 on .likely gb18030.*encoding: gb18030"),
    "cut in a character": ("id\n1ü".encode()[:-1], "is not UTF-8 from line 2 on"),
    "mixed": ("id,name\n1,Müller\n".encode() + "2,Köln\n3,Jürgen\n".encode("cp1252"),
              r"mixes encodings: 2 lines are not UTF-8 .*, the first is line 3 .*, and 1 lines are, the first is line 2: export it again in one encoding"),
    "mixed Chinese": (CJK.encode("gb18030") + CJK.encode(), "mixes encodings: .*likely gb18030"),
    "utf-16": ("id,v\n1,2\n".encode("utf-16"), "is UTF-16 text, .*encoding = 'utf-16'"),
    "utf-16 without a mark": ("id,v\n1,2\n".encode("utf-16-le"), "holds a NUL character in line 1: it is UTF-16 without a mark, or damaged"),
    "NUL": (b"id,v\n1,a\n2,\0\n", "holds a NUL character in line 3"),
    "two marks": (MARK + MARK + b"id,v\n1,2\n", "begins with 2 byte-order marks, of which DuckDB drops one"),
    "a mark and a quote": (MARK + b'"id",v\n1,2\n', "begins with a byte-order mark and DuckDB takes the quotes of \"id\" for part of the name"),
    "joined files": (b"id,v\n1,2\n" + MARK + b"id,v\n3,4\n", "has a byte-order mark in line 3, which would stick to that line's first value"),
    "duplicate names": (b"id,amount,Amount\n1,2,3\n", "has the column Amount twice in its header"),
    "duplicate names below a title": (b"Report of 2024\n\nid;v;id\n1;2;3\n2;3;4\n", "has the column id twice in its header"),
    "duplicate quoted names": (b'"a,b","a,b"\n"1","2"\n', "has the column a,b twice"),
    "gzip": (gzip.compress(b"id\n1\n"), "is compressed with gzip, not delimited text"),
    "html": (b"<html><table></table></html>", "is HTML or XML, not delimited text"),
    "old Excel": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is an old Excel workbook .* kind excel"),
    "Parquet": (b"PAR1....PAR1", "is a Parquet file, not delimited text"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bytes_that_would_be_read_wrongly_are_refused(tmp_path, case):
    content, message = REFUSED[case]
    with pytest.raises(RiskError, match=message):
        inspected(tmp_path, content)


def test_an_excel_file_called_csv_is_refused(tmp_path):
    (tmp_path / "files").mkdir()
    workbook(tmp_path / "files" / "a.csv", S=[["id"], [1]])
    with pytest.raises(RiskError, match="is an Excel workbook or another zip archive, .* kind excel"):
        inspect_files(source(tmp_path))


def test_a_workbook_named_in_the_sql_is_refused(tmp_path):
    with pytest.raises(RiskError, match="is a workbook, which DuckDB cannot open here: declare it in source.yaml"):
        inspected(tmp_path, b"PK", "FROM 'a.xlsx'", "a.xlsx")


PARQUET = {"is no Parquet file": b"id,v\n1,2\n", "is a Parquet file cut short": b"PAR1 and more than that"}


@pytest.mark.parametrize("message", PARQUET)
def test_a_parquet_file_is_one_from_end_to_end(tmp_path, message):
    with pytest.raises(RiskError, match=message):
        inspected(tmp_path, PARQUET[message], "FROM 'a.parquet'", "a.parquet")


HARMLESS = {
    "plain": (b"id,v\n1,2\n", "FROM 'a.csv'"),
    "UTF-8 beyond ASCII": ("id,name\n1,Müller 中国 😀\n".encode(), "FROM 'a.csv'"),
    "Latin-1 said so": ("id,name\n1,Müller\n".encode("latin-1"), "FROM read_csv('a.csv', encoding = 'latin-1')"),
    "UTF-16 said so": ("id,name\n1,Müller\n".encode("utf-16"), "FROM read_csv('a.csv', encoding='UTF-16')"),
    "names given": (b"id,id\n1,2\n", "FROM read_csv('a.csv', names = ['id', 'v'], skip = 1)"),
    "no header": (b"1,1\n1,2\n", "FROM read_csv('a.csv', header = false)"),
    "empty names": (b"id;v;;\n1;2;3;4\n", "FROM 'a.csv'"),
    "read as what it is": (b"\0\1", "SELECT size FROM read_blob('a.csv')"),
    "a zero-width character within a text": ("id,v\n1,a\ufeffb\n".encode(), "FROM 'a.csv'"),
}


@pytest.mark.parametrize("case", HARMLESS)
def test_what_duckdb_reads_rightly_passes_without_a_finding(tmp_path, case):
    assert inspected(tmp_path, *HARMLESS[case]) == []


def test_json_may_not_repeat_a_header_that_it_has_not(tmp_path):
    assert inspected(tmp_path, b'{"id": "a,a"}\n', "FROM 'a.json'", "a.json") == []


def test_one_byte_order_mark_is_a_finding_and_duckdb_drops_it(tmp_path):
    found = inspected(tmp_path, MARK + b"id,v\n1,2\n")
    assert [(finding["table"], finding["rule"], finding["rows"], finding["example"]) for finding in found] == [("customers", "byte-order mark", 1, "id")]
    assert set(found[0]) == {"table", "file", "rule", "rows", "example", "meaning", "remedy"}
    assert duckdb.sql(f"FROM '{found[0]['file']}'").columns == ["id", "v"]


def test_characters_lost_earlier_are_counted(tmp_path):
    found = inspected(tmp_path, "id,name\n1,M\ufffdller\n2,K\ufffdln\n".encode())
    assert [(finding["rule"], finding["rows"]) for finding in found] == [("lost characters", 2)]


@pytest.mark.parametrize("chunk", [1, 2, 3, 4, 5, 7, 11, 64])
def test_what_is_found_does_not_depend_on_where_a_chunk_ends(tmp_path, monkeypatch, chunk):
    files = {
        "good": "id\nü中😀\nb\n".encode(), "marked": MARK + "ü\n".encode(), "inner": "a\nü\n".encode() + MARK + b"b\n",
        "bad": "a\nü\n".encode() + b"x\xff\n", "nul": "ü\n\n\n\0".encode(), "lost": "a\ufffdb\n\ufffd".encode(), "cut": "a\nü".encode()[:-1],
        "blank": MARK + b"\n \n", "ascii": b"a\nb\n",
    }
    places = {name: put(tmp_path, name, content) for name, content in files.items()}
    whole = {name: text_scan.scan(place) for name, place in places.items()}
    monkeypatch.setattr(text_scan, "CHUNK", chunk)
    assert {name: text_scan.scan(place) for name, place in places.items()} == whole
    assert (whole["inner"].inner_mark, whole["bad"].broken, whole["nul"].nul, whole["lost"].lost, whole["cut"].broken) == (3, 3, 4, 2, 2)


GUESSES = {
    "cp1252": "Müller GmbH – 5 €\nStraße der Küchengeräte\n", "cp1250": "Příliš žluťoučký kůň úpěl ďábelské ódy\n",
    "gb18030": "中国银行股份有限公司，客户编号\n",
    "big5": "中國銀行股份有限公司，客戶編號\n", "cp949": "삼성전자 주식회사 재무제표\n", "cp932": "株式会社テスト銀行の顧客\n",
    "cp1251": "Общество с ограниченной ответственностью\n",
}


@pytest.mark.parametrize("encoding", GUESSES)
def test_the_likely_encoding_is_the_one_it_was_written_in(encoding):
    assert encoding in text_scan.guess((GUESSES[encoding] * 20).encode(encoding))


@pytest.mark.parametrize("text", ["Ä2,02", "Ünal", "Bär"])
def test_a_letter_that_stands_alone_is_no_chinese_or_japanese(text):
    assert text_scan.guess(text.encode("cp1252"))[0] in ("cp1250", "cp1252")
