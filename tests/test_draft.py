"""A first draft of a source: what is read out of nasty files is right, or named as unsure."""

import json
import re
from datetime import datetime

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from workbook import workbook

from features.errors import RiskError
from pipeline.cli import main
from pipeline.drafting.delimited import look_at_text
from pipeline.drafting.draft import draft_lines, new_source
from pipeline.drafting.readings import read_columns
from pipeline.drafting.sqltext import output_name
from pipeline.drafting.units import Unit, unit_in
from pipeline.drafting.words import likeness, truth
from pipeline.params import load_params
from pipeline.source import load_source
from pipeline.staging import connect, stage_query
from pipeline.use import with_source
from pipeline.workspace import ROOT

PARAMS = load_params(ROOT / "params.yaml")
GERMAN = ["Rechnungsnr;Kundennr;Rechnungsdatum;Fällig;Betrag;Währung;bezahlt am;Bemerkung",
          "R1;00017;31.12.2022;30.01.2023;1.234,56;EUR;15.02.2023;schöne Grüße",
          "R2;00018;03.01.2023;02.02.2023;99,00;EUR;;ä",
          "R3;00017;13.01.2023;12.02.2023;12.000,00;EUR;14.02.2023;"]


@pytest.fixture
def files(tmp_path):
    """An empty folder for somebody's files."""
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


def write(path, lines, *, encoding="utf-8"):
    path.write_bytes(("\r\n".join(lines) + "\r\n").encode(encoding))
    return path


def column(values):
    """The reading of one text column called `value` (or the given name), and what its SQL makes of the values."""
    name, values = values if isinstance(values, tuple) else ("value", values)
    return columns({name: values})[0]


def columns(texts):
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.register("given", pa.table({name: pa.array(values, pa.string()) for name, values in texts.items()}))
    connection.execute("CREATE TABLE looked AS FROM given")
    readings = read_columns(connection, "looked")
    return [(reading, [row[0] for row in connection.execute(f"SELECT {reading.sql} FROM looked").fetchall()]) for reading in readings]


def draft(files, name="mine"):
    return new_source(name, files, to=files.parent / name, params=PARAMS)


def rows(files, table, name="mine"):
    """The rows of one drafted table, run as `risk use` would run it: a list of dicts. A draft that lacks outcomes, as it said, gets some."""
    chosen = {"name": name, "definition": str(files.parent / name), "path": str(files)}
    for missing in ("customers", "outcomes"):
        file = files.parent / name / f"{missing}.sql"
        file.write_text(file.read_text() if file.exists() else "SELECT 1 AS one")
    connection = connect(PARAMS.ingest)
    stage_query(connection, load_source(with_source(PARAMS, chosen)), table)
    result = connection.execute("SELECT * FROM staged")
    names = [description[0] for description in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def said(drafted, files):
    return "\n".join(draft_lines(drafted, files))


@pytest.mark.parametrize(("texts", "kind", "values"), [
    (["1", "2"], "number", [1, 2]),
    (["1.5", "-2"], "number", [1.5, -2.0]),
    (["1.234,56", "7,00"], "number", [1234.56, 7.0]),
    (["1,234.56", "7"], "number", [1234.56, 7.0]),
    (["1 234,5", "7"], "number", [1234.5, 7.0]),
    (["1\u00a0234,5", "7"], "number", [1234.5, 7.0]),
    (["1'234.50", "7"], "number", [1234.5, 7.0]),
    (["1.234.567", "1.000"], "number", [1234567, 1000]),
    (["€ 5,10", "7,00 €"], "number", [5.1, 7.0]),
    (["12,5 %", "3 %"], "number", [12.5, 3.0]),
    (["(1.5)", "2"], "number", [-1.5, 2.0]),
    (["1,5-", "2"], "number", [-1.5, 2.0]),
    (["1e3", "2"], "number", [1000.0, 2.0]),
    (["NA", "3", "-"], "number", [None, 3, None]),
    (["007", "123"], "text", ["007", "123"]),
    (["12345678901234567890", "1"], "text", ["12345678901234567890", "1"]),
    (["31.12.2023", "1.1.2024"], "time", [datetime(2023, 12, 31), datetime(2024, 1, 1)]),
    (["20231231", "20240101"], "time", [datetime(2023, 12, 31), datetime(2024, 1, 1)]),
    (["12/31/2023", "01/02/2024"], "time", [datetime(2023, 12, 31), datetime(2024, 1, 2)]),
    (["31/12/2023", "01/02/2024"], "time", [datetime(2023, 12, 31), datetime(2024, 2, 1)]),
    (["2023年1月5日", "2023年12月31日"], "time", [datetime(2023, 1, 5), datetime(2023, 12, 31)]),
    (["31-Dec-2023", "01-Jan-2024"], "time", [datetime(2023, 12, 31), datetime(2024, 1, 1)]),
    (["2023-12-31", "0000-00-00"], "time", [datetime(2023, 12, 31), None]),
    (["31.12.2023 10:05", "1.1.2024 00:00"], "time", [datetime(2023, 12, 31, 10, 5), datetime(2024, 1, 1)]),
    (["1/13/2024 3:05 PM", "1/14/2024 11:00 AM"], "time", [datetime(2024, 1, 13, 15, 5), datetime(2024, 1, 14, 11)]),
    (["2024-01-01T10:00:00+08:00", "2024-01-01T10:00:00Z"], "time", [datetime(2024, 1, 1, 2), datetime(2024, 1, 1, 10)]),
    (["ja", "nein"], "text", ["ja", "nein"]),
    (["2024-13-01", "x"], "text", ["2024-13-01", "x"]),
    (("order_no", ["970605", "980102"]), "number", [970605, 980102]),
    (("date", ["970605", "980102"]), "time", [datetime(1997, 6, 5), datetime(1998, 1, 2)]),
    (("snapshot_date", ["45291", "45292"]), "time", [datetime(2023, 12, 31), datetime(2024, 1, 1)]),
    (("fiscal_year", ["2019", "2020"]), "time", [datetime(2019, 12, 31), datetime(2020, 12, 31)]),
    (("date", ["1704067200", "1704153600"]), "time", [datetime(2024, 1, 1), datetime(2024, 1, 2)]),
])
def test_a_text_column_is_read_as_what_it_holds(texts, kind, values):
    reading, read = column(texts)
    assert (reading.kind, read) == (kind, values)


@pytest.mark.parametrize(("texts", "doubt"), [
    (["01/02/2023", "03/04/2023"], "value: 01/02/2023 can be dd/mm/yyyy or mm/dd/yyyy; no value decides it, read as dd/mm/yyyy"),
    (["1.234", "5.678"], "value: 1.234 is read as decimals; it could be thousands"),
    (["1,234", "5,678"], "value: 1,234 is read as thousands; it could be decimals"),
    (["31.12.23", "01.01.24"], "value: 01.01.24 has two digits for the year"),
    (("snapshot_date", ["45291", "45292"]), "snapshot_date: holds numbers such as 45291, read as Excel's days since 1899-12-30"),
    (["2024-01-01T10:00:00+08:00", "2024-01-01 10:00:00"], "value: 1 of the values looked at carry an offset from UTC and 1 do not; the latter"),
    (["31.12.2999", "01.01.2024"], "value: goes up to 2999-12-31, which has not come yet"),
    ([*(f"{number}" for number in range(200)), "about 5"], "value: 1 values are no numbers of that form, such as about 5; they become empty"),
])
def test_what_cannot_be_decided_is_named(texts, doubt):
    reading, _ = column(texts)
    assert any(sentence.startswith(doubt) for sentence in reading.unsure), reading.unsure


def test_one_column_settles_the_doubts_of_the_others_in_its_file():
    dates = {"a": ["01/02/2023", "03/04/2023"], "b": ["01/13/2023", "02/28/2023"], "c": ["1.234", "5.678"], "d": ["1,5", "2,25"]}
    ambiguous, _, thousands, _ = columns(dates)
    assert ambiguous[1] == [datetime(2023, 1, 2), datetime(2023, 3, 4)]
    assert "as the other dates of the file" in ambiguous[0].how
    assert thousands[1] == [1234, 5678]
    assert not ambiguous[0].unsure
    assert not thousands[0].unsure


@pytest.mark.parametrize(("encoding", "text"), [
    ("cp1252", "Straße;Größe\nKöln;Übergröße"), ("cp1250", "Miasto;Spółka\nŁódź;Żółć\nKraków;Gdańsk"), ("cp1251", "Клиент;Город\nРомашка;Москва"),
    ("gb18030", "客户编号;日期\n一;二月"), ("big5", "客戶編號;日期\n一;二月"), ("cp949", "고객번호;일자\n하나;이월"),
    ("shift_jis", "顧客番号;日付\nはい;いいえ"), ("utf-16", "a;ä\n1;2"),
])
def test_an_encoding_is_recognised_by_its_letters(tmp_path, encoding, text):
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode(encoding))
    look = look_at_text(path)
    assert look.encoding == encoding
    assert look.names == tuple(text.split("\n")[0].split(";"))


@pytest.mark.parametrize(("text", "delimiter", "skip", "names"), [
    ("a;b\n1,5;2,5\n1,7;2,0\n", ";", 0, ("a", "b")),
    ("a\tb\n1\t2\n", "\t", 0, ("a", "b")),
    ("a|b\n1|x, y\n", "|", 0, ("a", "b")),
    ("\ufeffa,b\n1,2\n", ",", 0, ("a", "b")),
    ('"a, b",c\n"1, 2",3\n', ",", 0, ("a, b", "c")),
    (",X1,X2\nID,LIMIT,SEX\n1,2,3\n", ",", 1, ("ID", "LIMIT", "SEX")),
    ("Report of May\na;b\n1;2\n3;4\n", ";", 1, ("a", "b")),
    ("1,2\n3,4\n", ",", 0, ()),
    ("name,town\nann,york\nbob,leeds\n", ",", 0, ("name", "town")),
])
def test_delimiter_and_header_are_found(tmp_path, text, delimiter, skip, names):
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode())
    look = look_at_text(path)
    assert (look.delimiter, look.skip, look.names) == (delimiter, skip, names)


@pytest.mark.parametrize(("content", "message"), [
    (b"", "a.csv is empty: there is nothing to read in it"),
    (b"a,b,A\n1,2,3\n", r"a.csv: the header names the column a more than once \(columns 1, 3\): rename it in the file"),
])
def test_a_text_that_cannot_be_read_is_refused(tmp_path, content, message):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(RiskError, match=message):
        look_at_text(tmp_path / "a.csv")


def test_a_german_ledger_gives_invoices_and_payments(files):
    write(files / "rechnungen.csv", GERMAN, encoding="cp1252")
    text = said(draft(files), files)
    first, paid = rows(files, "invoices")[0], rows(files, "payments")
    assert (first["customer_id"], first["amount"], first["issued_at"], first["due_at"]) == ("00017", 123456, datetime(2022, 12, 31), datetime(2023, 1, 30))
    assert [(row["invoice_id"], row["occurred_at"]) for row in paid] == [("R1", datetime(2023, 2, 15)), ("R3", datetime(2023, 2, 14))]
    assert "rechnungen.csv is not UTF-8: read as cp1252" in text
    assert "left out: Bemerkung" in text
    assert "left out: bezahlt am (used for payments)" in text
    assert "unsure: rechnungen.csv: bezahlt am is taken for the day an invoice was paid in full" in text


def test_the_day_of_an_import_is_never_the_day_something_was_known(files):
    write(files / "invoices.csv", ["invoice_no,customer_no,invoice_date,due_date,amount,import_date,posting_date",
                                   "1,7,2023-01-05,2023-02-05,10,2024-06-01,2024-06-01", "2,8,2023-01-06,2023-02-06,10,2024-06-01,2024-06-01"])
    draft(files)
    assert [row["known_at"] for row in rows(files, "invoices")] == [datetime(2023, 1, 5), datetime(2023, 1, 6)]
    assert "rule: known when issued" in (files.parent / "mine" / "invoices.sql").read_text()


def test_a_posting_day_of_its_own_is_when_a_row_was_known(files):
    write(files / "invoices.csv", ["invoice_no,customer_no,invoice_date,due_date,amount,posting_date", "1,7,2023-01-05,2023-02-05,10,2023-01-09",
                                   "2,8,2023-01-06,2023-02-06,10,2023-01-10"])
    draft(files)
    assert [row["known_at"] for row in rows(files, "invoices")] == [datetime(2023, 1, 9), datetime(2023, 1, 10)]


def test_chinese_headers_are_understood(files):
    lines = ["客户编号,开票日期,到期日,金额,发票号"] + [f"00{number},2023-01-0{number},2023-02-0{number},\"1,234.50\",F{number}" for number in range(1, 5)]
    write(files / "发票.csv", lines, encoding="gb18030")
    draft(files)
    first = rows(files, "invoices")[0]
    assert (first["customer_id"], first["amount"], first["invoice_id"]) == ("001", 123450, "F1")


def test_a_workbook_gives_a_table_for_each_sheet(files):
    customers = [["customer_no", "sector", "customer since"], ["007", "retail", datetime(2019, 1, 1)], ["008", "steel", datetime(2019, 1, 2)]]
    defaults = [["customer_no", "default_date"], ["007", 45291], ["008", 45292]]
    workbook(files / "book.xlsx", customers=customers, defaults=defaults)
    text = said(draft(files), files)
    assert [row["customer_id"] for row in rows(files, "customers")] == ["007", "008"]
    assert [row["occurred_at"] for row in rows(files, "outcomes")] == [datetime(2023, 12, 31), datetime(2024, 1, 1)]
    assert "default_date: holds numbers such as 45291, read as Excel's days" in text


def test_json_lines_keep_leading_zeros_and_name_nested_columns(files):
    lines = [json.dumps({"ticket_id": f"T{number}", "customer_id": f"00{number}", "date": "2023-05-01", "more": {"a": 1}}) for number in range(3)]
    write(files / "complaints.jsonl", lines)
    text = said(draft(files), files)
    assert [(row["customer_id"], row["kind"]) for row in rows(files, "events")] == [("000", "complaint"), ("001", "complaint"), ("002", "complaint")]
    assert "left out: more (nested (struct))" in text
    assert "missing: outcomes: no file looks like defaults" in text


def test_us_dates_are_read_month_first_once_a_value_shows_it(files):
    write(files / "transactions.csv", ["transaction_id,customer_id,date,amount", "1,7,01/02/2023,-5.00", "2,7,01/31/2023,6.10"])
    draft(files)
    assert [(row["occurred_at"], row["amount"]) for row in rows(files, "transactions")] == [(datetime(2023, 1, 2), -500), (datetime(2023, 1, 31), 610)]


def test_files_that_differ_by_year_are_one_table(files):
    for year in (2021, 2022):
        write(files / f"sales_{year}.csv", ["invoice_no,customer_no,invoice_date,due_date,amount", f"{year},7,{year}-01-05,{year}-02-05,10",
                                            f"{year}x,8,{year}-01-05,{year}-02-05,10"])
    draft(files)
    assert "'sales_*.csv'" in (files.parent / "mine" / "invoices.sql").read_text()
    assert len(rows(files, "invoices")) == 4


def test_ids_that_lost_their_zeros_are_named(files):
    write(files / "customers.csv", ["customer_no,sector", *(f"{number:05d},retail" for number in range(1, 9))])
    write(files / "defaults.csv", ["customer_no,default_date", *(f"{number},2023-01-0{number}" for number in range(1, 5))])
    assert "defaults.csv, customer_no: 4 ids match only without leading zeros (0 as they stand)" in said(draft(files), files)


def test_a_date_of_default_among_the_customers_gives_outcomes(files):
    write(files / "kunden.csv", ["Kundennr;Branche;insolvent seit", "1;Bau;", "2;Bau;05.03.2023", "3;Handel;"])
    text = said(draft(files), files)
    assert [(row["customer_id"], row["occurred_at"]) for row in rows(files, "outcomes")] == [("2", datetime(2023, 3, 5))]
    assert "insolvent seit is taken for the day of default; customers without one are taken as not in default" in text


def test_a_flag_among_the_columns_gives_observations(files):
    write(files / "loans.csv", ["loan_id,age,income,default", *(f"{number},{20 + number},{number * 10},{number % 2}" for number in range(1, 31))])
    text = said(draft(files), files)
    assert {row["target"] for row in rows(files, "observations")} == {"0", "1"}
    assert "loans.csv: default is taken for the target" in text
    assert "no date: rows are judged by a random draw" in text


def test_statements_are_known_ninety_days_after_their_period(files):
    write(files / "bilanz.csv", ["Kundennr;Bilanzstichtag;Bilanzsumme;Eigenkapital", "7;31.12.2022;1.000,50;300,00", "8;31.12.2022;2.000,00;400,00"])
    draft(files)
    first = rows(files, "statements")[0]
    assert (first["total_assets"], first["equity"], first["known_at"]) == (1000.5, 300.0, datetime(2023, 3, 31))


def test_ids_of_one_name_in_several_files_are_the_customers(files):
    pq.write_table(pa.table({"company": [f"C_{n}" for n in range(100)], "year": [2020] * 100, "total_assets": [1.0] * 100, "revenue": [2.0] * 100}),
                   files / "firms.parquet")
    write(files / "failures.csv", ["company,failure_date", *(f"C_{number},2022-01-01" for number in range(60))])
    draft(files)
    assert len(rows(files, "customers")) == 100
    assert rows(files, "statements")[0]["period_end"] == datetime(2020, 12, 31)


def test_what_is_no_table_is_listed(files):
    write(files / "customers.csv", ["customer_no,sector", "1,a", "2,b"])
    write(files / "colours.csv", ["colour,tone", "red,warm", "blue,cold"])
    (files / "notes.pdf").write_text("x")
    (files / "bad.parquet").write_text("not parquet")
    text = said(draft(files), files)
    assert "colours.csv: 2 rows" in text
    assert "  not used: no column that could be a customer's id, and no table it looks like" in text
    assert "not used: notes.pdf (not a kind of file that tables come in)" in text
    assert "not used: bad.parquet (bad.parquet cannot be read" in text


def test_the_draft_runs_and_says_where_what_is_unsure_stands(files):
    write(files / "kunden.csv", ["Kundennr;Branche;insolvent seit", "1;Bau;01/02/2023", "2;Bau;03/04/2023", "3;Handel;"])
    drafted = draft(files)
    assert not any("does not run" in sentence for sentence in drafted.unsure)
    sql = (files.parent / "mine" / "outcomes.sql").read_text()
    assert re.search("AS occurred_at.*\n.*dates dd/mm/yyyy\n.*unsure: insolvent seit: 01/02/2023 can be dd/mm/yyyy or mm/dd/yyyy", sql)


def test_a_folder_that_is_there_is_not_overwritten(files):
    write(files / "customers.csv", ["customer_no,sector", "1,a", "2,b"])
    (files.parent / "mine").mkdir()
    with pytest.raises(RiskError, match="mine is there already: a draft overwrites nothing; take another name, or another folder with --to"):
        draft(files)


def test_a_folder_without_tables_is_refused_and_nothing_is_written(files):
    (files / "notes.pdf").write_text("x")
    with pytest.raises(RiskError, match=r"holds no file that can be read as a table \(notes.pdf: not a kind of file"):
        draft(files)
    assert not (files.parent / "mine").exists()


def test_the_command_writes_the_folder_and_says_what_comes_next(files, monkeypatch):
    write(files / "rechnungen.csv", GERMAN, encoding="cp1252")
    monkeypatch.chdir(ROOT)
    result = CliRunner().invoke(main, ["source", "new", "mine", "--data", str(files), "--to", str(files.parent / "mine")])
    assert result.exit_code == 0, result.output
    assert f"next: read and correct them, then `risk source check {files.parent / 'mine'} --data {files}`" in result.output
    assert sorted(file.name for file in (files.parent / "mine").iterdir()) == ["customers.sql", "invoices.sql", "payments.sql", "source.yaml"]


@pytest.mark.parametrize(("name", "phrases", "fit"), [
    ("Kundennr", "customer_id kunden_nr", 3), ("KundenNr", "kunden_nr", 3), ("FÄLLIG_AM", "faellig_am", 3), ("échéance", "echeance", 3),
    ("date of invoice", "invoice_date", 2), ("Rechnungsdatum2", "rechnungsdatum", 1), ("amount", "customer_id", 0), ("客户编号", "客户编号", 3),
])
def test_names_are_compared_without_case_accents_and_gaps(name, phrases, fit):
    assert likeness(name, phrases) == fit


@pytest.mark.parametrize(("word", "meaning"), [("JA", 1), ("nein", 0), (" Yes ", 1), ("good", 0), ("违约", 1), ("2", None), ("maybe", None)])
def test_words_for_yes_and_no(word, meaning):
    assert truth(word) is meaning


@pytest.mark.parametrize(("name", "table", "called"), [
    ("Umsatz in T€", "observations", "umsatz_in_t"), ("Status", "observations", "status_given"), ("amount", "observations", "amount_given"),
    ("limit", "exposures", "limit_given"), ("客户 等级", "observations", "客户_等级"), ("%", "observations", "column"),
])
def test_a_column_beyond_the_contract_gets_a_name_of_its_own(name, table, called):
    assert output_name(name, table) == called


def test_a_file_of_the_same_name_in_the_working_folder_is_not_taken_for_it(files, tmp_path, monkeypatch):
    write(files / "customers.csv", ["customer_no,sector", "1,steel", "2,retail"])
    (tmp_path / "elsewhere").mkdir()
    write(tmp_path / "elsewhere" / "customers.csv", ["customer_no,sector", "8,x", "9,y", "10,z"])
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert "customers.csv: 2 rows" in said(draft(files), files)


def test_a_payment_without_a_customer_belongs_to_its_invoices_customer(files):
    write(files / "invoices.csv", ["invoice_no,customer_no,invoice_date,due_date,amount", "I1,007,2023-01-05,2023-02-05,10", "I2,008,2023-01-06,2023-02-06,20"])
    write(files / "payments.csv", ["payment_no,invoice_no,payment_date,amount", "P1,I2,2023-02-01,20.00", "P2,I1,2023-02-09,4.50"])
    text = said(draft(files), files)
    assert [(row["customer_id"], row["invoice_id"], row["amount"]) for row in rows(files, "payments")] == [("008", "I2", 2000), ("007", "I1", 450)]
    assert "payments.csv names no customer: the one of the invoice in invoices.csv is taken" in text


def test_two_files_of_one_table_are_put_one_below_the_other(files):
    write(files / "invoices_north.csv", ["invoice_no,customer_no,invoice_date,due_date,amount", "1,7,2023-01-05,2023-02-05,10", "2,8,2023-01-06,2023-02-06,20"])
    write(files / "invoices_south.csv", ["invoice_no;customer_no;invoice_date;amount", "3;009;05.01.2023;1.010,50", "4;010;31.01.2023;7,00"])
    draft(files)
    found = rows(files, "invoices")
    assert [row["amount"] for row in found] == [1000, 2000, 101050, 700]
    assert found[2]["due_at"] == datetime(2023, 2, 4)


def statements_known(files, header, *dates):
    """A file of statements with a further date, and what the draft says of it."""
    lines = [f"{number:03d};31.12.202{number % 3};{day};1.000,50;300,00" for number, day in enumerate(dates)]
    write(files / "bilanz.csv", [f"Kundennr;Bilanzstichtag;{header};Bilanzsumme;Eigenkapital", *lines])
    return said(draft(files), files)


def test_a_date_never_before_the_rows_own_is_when_it_was_known(files):
    text = statements_known(files, "Abgabe", "01.03.2021", "05.05.2022", "30.06.2023")
    assert [row["known_at"] for row in rows(files, "statements")] == [datetime(2021, 3, 1), datetime(2022, 5, 5), datetime(2023, 6, 30)]
    assert "unsure: bilanz.csv: Abgabe is taken as the day a row was known: it is never before Bilanzstichtag, 125 days later in the median" in text


@pytest.mark.parametrize(("header", "dates"), [
    ("Geprüft", ("01.03.2020", "05.05.2021", "30.06.2022")),
    ("Archiviert", ("01.03.2028", "05.05.2029", "30.06.2030")),
    ("Vernichtung", ("01.03.2925", "05.05.2926", "30.06.2927")),
    ("Nachtrag", ("01.03.2021", "", "")),
])
def test_a_date_before_the_rows_own_far_later_to_come_or_mostly_empty_is_not(files, header, dates):
    text = statements_known(files, header, *dates)
    assert rows(files, "statements")[0]["known_at"] == datetime(2021, 3, 31)
    assert f"left out: {header} (not recognised as a date of statements; a further date becomes no feature)" in text


@pytest.mark.parametrize(("headers", "known"), [
    ("Abgabe;Eingereicht", datetime(2021, 4, 2)), ("Erfasst;Abgabe", datetime(2021, 3, 1)), ("Abgabe;Unterschrift", datetime(2021, 3, 31)),
    ("Eingereicht;Gemeldet", datetime(2021, 3, 31)),
])
def test_of_several_dates_the_one_called_like_it_is_taken_else_all_are_named(files, headers, known):
    text = statements_known(files, headers, "01.03.2021;02.04.2021", "05.05.2022;06.06.2022", "30.06.2023;01.07.2023")
    assert rows(files, "statements")[0]["known_at"] == known
    named = f"bilanz.csv: each of {headers.replace(';', ', ')} could say when a row was known, so none is taken"
    assert (named in text) == (known == datetime(2021, 3, 31))


@pytest.mark.parametrize("header", ["Angelegt am", "recorded_on"])
def test_one_day_in_most_rows_is_an_import_and_is_named(files, header):
    days = ["01.01.2018" if number % 5 else f"0{1 + number % 7}.03.2019" for number in range(30)]
    lines = [f"{number:03d};Bau;0{1 + number % 9}.01.20{10 + number % 8};{day}" for number, day in enumerate(days)]
    write(files / "kunden.csv", [f"Kundennr;Branche;Kunde seit;{header}", *lines])
    text = said(draft(files), files)
    assert rows(files, "customers")[0]["known_at"] == datetime(2010, 1, 1)
    assert f"left out: {header} (2018-01-01 in 80% of the rows, as an import leaves it)" in text
    assert f"unsure: kunden.csv: {header} is not taken as the day a row was known: it is 2018-01-01 in 80% of the rows, as an import leaves it" in text


def test_an_invoices_further_date_is_rather_due_or_paid_than_known(files):
    write(files / "rechnungen.csv", ["Rechnungsnr;Kundennr;Rechnungsdatum;Ziel;Betrag",
                                       "R1;017;31.12.2022;07.01.2023;1,00", "R2;018;03.01.2023;12.01.2023;2,00"])
    assert rows_of_draft(files, "invoices")[0]["known_at"] == datetime(2022, 12, 31)


def rows_of_draft(files, table):
    draft(files)
    return rows(files, table)


def test_a_known_day_before_the_rows_own_is_doubted(files):
    write(files / "ausfaelle.csv", ["Kundennr;Ausfalldatum;reported_on", "1;05.03.2023;01.03.2023", "2;06.03.2023;09.03.2023"])
    text = said(draft(files), files)
    assert "ausfaelle.csv: reported_on is taken as the day a row was known, yet it is before Ausfalldatum in 1 row, which the contract rejects" in text


def test_the_only_date_of_limits_is_when_they_were_known(files):
    write(files / "limits.csv", ["customer_no,credit_limit,since", "1,1000,2023-01-05", "2,2000,2023-02-06"])
    assert [row["known_at"] for row in rows_of_draft(files, "exposures")] == [datetime(2023, 1, 5), datetime(2023, 2, 6)]


LEDGER = ["Belegnr;Debitor;Rechnungsdatum;Fällig am;Betrag", *(f"I{number};0{number};0{number}.01.2018;0{number}.02.2018;10,50" for number in range(1, 6))]


def paid(header, *values):
    """A file of payments with one column beside number, day and amount."""
    return [f"Zahlungsnr;{header};Zahldatum;Betrag", *(f"P{place};{value};0{place + 1}.03.2018;10,50" for place, value in enumerate(values))]


@pytest.mark.parametrize("header", ["Rechnung", "Bezug", "Gegenbuchung"])
def test_a_column_that_holds_another_files_keys_names_its_rows(files, header):
    write(files / "Rechnungen.csv", LEDGER)
    write(files / "Zahlungen.csv", paid(header, "I2", "I1", "I5", "I9"))
    text = said(draft(files), files)
    assert [(row["invoice_id"], row["customer_id"]) for row in rows(files, "payments")] == [("I2", "02"), ("I1", "01"), ("I5", "05"), ("I9", None)]
    assert f"unsure: Zahlungen.csv: {header} is taken for invoice_id because 75% of its values are in Belegnr of Rechnungen.csv" in text


def test_values_count_for_more_than_a_name(files):
    write(files / "Rechnungen.csv", LEDGER)
    write(files / "Zahlungen.csv", paid("Debitor;Belegnr;Bezug", "01;B7;I1", "02;B8;I2", "03;B9;I3"))
    assert [(row["invoice_id"], row["customer_id"]) for row in rows_of_draft(files, "payments")] == [("I1", "01"), ("I2", "02"), ("I3", "03")]


def test_numbers_that_happen_to_be_among_the_keys_name_nothing(files):
    write(files / "Rechnungen.csv", [line.replace("I", "") if place else line for place, line in enumerate(LEDGER)])
    write(files / "Zahlungen.csv", paid("Debitor;Mahnstufe", "01;1", "02;2", "03;3"))
    text = said(draft(files), files)
    assert "invoice_id" not in rows(files, "payments")[0]
    assert "left out: Mahnstufe (not recognised; payments could still take invoice_id, kind)" in text


def test_a_key_of_another_table_without_a_place_is_said_to_be_one(files):
    write(files / "Rechnungen.csv", LEDGER)
    lines = [f"B{number};0{number};2018-03-0{number};10.5;I{number}" for number in (1, 2, 3)]
    write(files / "Umsätze.csv", ["Buchungsnr;Debitor;Buchungsdatum;Betrag;Bezug", *lines])
    text = said(draft(files), files)
    assert "left out: Bezug (names rows of another file, 100% of its values are in Belegnr of Rechnungen.csv; transactions has no column for it)" in text


def test_the_only_column_that_names_each_row_is_the_key(files):
    write(files / "Rechnungen.csv", [LEDGER[0].replace("Belegnr", "Vorgang"), *LEDGER[1:]])
    text = said(draft(files), files)
    assert rows(files, "invoices")[0]["invoice_id"] == "I1"
    assert "unsure: Rechnungen.csv: Vorgang is taken for invoice_id because every row has its own" in text


@pytest.mark.parametrize(("text", "factor", "word"), [
    ("Abschlüsse_TEUR", 1000, "TEUR"), ("Umsatz in T€", 1000, "T€"), ("kEUR", 1000, "kEUR"), ("in thousands", 1000, "thousands"),
    ("USD '000", 1000, "USD '000"),
    ("sales (000s)", 1000, "000s"), ("Tsd. EUR", 1000, "Tsd."), ("总资产千元", 1000, "千元"), ("金额(万元)", 10_000, "万元"), ("百万元", 10**6, "百万"),
    ("Umsatz Mio. EUR", 10**6, "Mio."), ("revenue_usd_m", 10**6, "usd_m"), ("营业收入(亿元)", 10**8, "亿元"), ("Mrd", 10**9, "Mrd"),
])
def test_a_unit_is_recognised_in_a_name(text, factor, word):
    assert unit_in(text) == Unit(factor, word)


@pytest.mark.parametrize("text", ["Betrag EUR", "export_000", "file_2000", "Debit_USD", "market", "sawmill", "Konto", "asset_usd", "Stichtag"])
def test_a_name_without_a_unit_has_none(text):
    assert unit_in(text) is None


BALANCE = ["Kundennr;Bilanzstichtag;Bilanzsumme;Eigenkapital", "7;31.12.2022;1.000,50;300,00", "8;31.12.2022;2.000,00;400,00"]


@pytest.mark.parametrize(("file", "above", "where"), [
    ("Bilanz_TEUR.csv", [], "its name says TEUR"), ("bilanz.csv", ["Angaben in TEUR"], "the lines above its header say TEUR"),
])
def test_statements_in_thousands_become_whole_currency_units(files, file, above, where):
    write(files / file, [*above, *BALANCE])
    text = said(draft(files), files)
    assert [(row["total_assets"], row["equity"]) for row in rows(files, "statements")] == [(1_000_500, 300_000), (2_000_000, 400_000)]
    assert f"unsure: {file}: {where}: its amounts are multiplied by 1,000" in text
    assert "AS total_assets,  -- given in TEUR" in (files.parent / "mine" / "statements.sql").read_text()


def test_a_column_in_another_unit_than_its_file_goes_by_its_own(files):
    write(files / "Bilanz_TEUR.csv", [BALANCE[0].replace("Eigenkapital", "Eigenkapital Mio"), *BALANCE[1:]])
    text = said(draft(files), files)
    assert (rows(files, "statements")[0]["total_assets"], rows(files, "statements")[0]["equity"]) == (1_000_500, 300_000_000)
    assert "unsure: Bilanz_TEUR.csv: Eigenkapital Mio is taken as Mio and multiplied by 1,000,000" in text
    assert "unsure: Bilanz_TEUR.csv: its name says TEUR: its amounts are multiplied by 1,000" in text


def test_money_in_ten_thousands_becomes_minor_units_without_overflow(files):
    limits = pa.table({"客户编号": ["C1", "C2"], "授信额度(万元)": pa.array([300, 50], pa.int32())})
    pq.write_table(limits, files / "额度.parquet")
    assert [row["limit"] for row in rows_of_draft(files, "exposures")] == [300_000_000, 50_000_000]


def test_the_sql_says_that_its_conversions_are_strict(files):
    write(files / "bilanz.csv", BALANCE)
    pq.write_table(pa.table({"customer_no": ["7", "8"], "default_date": [datetime(2023, 1, 1), datetime(2023, 1, 2)]}), files / "defaults.parquet")
    draft(files)
    strict = {table: "-- Dates and numbers are read strictly" in (files.parent / "mine" / f"{table}.sql").read_text() for table in ("statements", "outcomes")}
    assert strict == {"statements": True, "outcomes": False}


def test_files_called_in_other_letters_are_inputs_of_their_own(files):
    write(files / "客户.csv", ["客户编号,行业", "1,建筑", "2,零售"], encoding="gb18030")
    write(files / "违约.csv", ["客户编号,违约日期,备注", "1,2023-01-05,诉讼", "2,2023-02-06,无力偿还"], encoding="gb18030")
    draft(files)
    assert [row["industry"] for row in rows(files, "customers")] == ["建筑", "零售"]
    assert [row["occurred_at"] for row in rows(files, "outcomes")] == [datetime(2023, 1, 5), datetime(2023, 2, 6)]


def test_ids_of_one_set_under_two_names_are_no_doubt(files):
    write(files / "kunden.csv", ["Kundennr;Branche;Ort", "07;Bau;Bremen", "08;Handel;Ulm", "09;Bau;Ulm"])
    write(files / "ausfaelle.csv", ["Debitor;Ausfalldatum", "07;05.03.2023", "09;06.03.2023"])
    assert "columns of different names" not in said(draft(files), files)
    write(files / "ausfaelle.csv", ["Debitor;Ausfalldatum", "71;05.03.2023", "92;06.03.2023"])
    assert "the customer is taken from columns of different names: Debitor in ausfaelle.csv; Kundennr in kunden.csv" in said(draft(files, "other"), files)
