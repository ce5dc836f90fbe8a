"""A bureau's CSV: tolerant of headers, never of values."""

import pytest
from builders import day

from features.errors import RiskError
from pipeline.readers.bureau import read
from pipeline.source_file import BureauFile

HEADER = "customer_id,date,kind,amount,score"


def rows_of(tmp_path, *lines, encoding="utf-8"):
    (tmp_path / "bureau.csv").write_text("\n".join(lines) + "\n", encoding=encoding)
    return read(BureauFile(file="bureau.csv"), tmp_path).to_pylist()


def one(tmp_path, line, header=HEADER):
    return rows_of(tmp_path, header, line)[0]


def test_a_row_is_an_event_known_on_its_date_where_no_other_is_given(tmp_path):
    row = one(tmp_path, '007,2024-03-05,inquiry,"12,500.00",')
    assert (row["customer_id"], row["occurred_at"], row["known_at"]) == ("007", day("2024-03-05"), day("2024-03-05"))
    assert (row["kind"], row["family"], row["severity"], row["amount"], row["source"]) == ("inquiry", "inquiry", 1.0, 1_250_000, "bureau")


def test_a_publication_date_is_when_it_was_known_and_a_gap_in_it_stays_one(tmp_path):
    found = rows_of(tmp_path, "ID;Event Date;Report-Date;Type", "1;2024/3/5;2024-04-01;fine", "2;20240305;;fine")
    assert [row["known_at"] for row in found] == [day("2024-04-01"), None]


@pytest.mark.parametrize("header", [
    "customer_id,date,kind", "Client ID;Event Date;Event Type",
    "credit_code\tfiling-date\trecord type", "客户编号,日期,类型", "\ufeffCompanyID|OccurredOn|Event",
])
def test_headers_may_be_written_in_many_ways(tmp_path, header):
    separator = next(mark for mark in ";\t|," if mark in header)
    row = one(tmp_path, separator.join(("C1", "2024-03-05", "inquiry")), header)
    assert (row["customer_id"], row["occurred_at"], row["kind"]) == ("C1", day("2024-03-05"), "inquiry")


@pytest.mark.parametrize(("word", "kind", "severity"), [
    ("Enquiry", "inquiry", 1), ("Late payment", "late_payment", 2), ("default", "payment_default", 4), ("Charge-off", "payment_default", 4),
    ("lawsuit", "lawsuit", 3), ("Bankruptcy", "bankruptcy", 5), ("serious_violation", "serious_violation", 5), ("失信被执行人", "dishonest_debtor", 5),
    ("逾期", "late_payment", 2), ("report", "credit_report", None), ("marsquake", "other", None),
])
def test_kinds_and_their_severity(tmp_path, word, kind, severity):
    row = one(tmp_path, f"C1,2024-03-05,{word},,")
    assert (row["kind"], row["severity"], row["title"]) == (kind, severity, word if kind == "other" else None)


def test_a_severity_and_confidence_that_the_file_gives_stand(tmp_path):
    row = one(tmp_path, "C1,2024-03-05,inquiry,4,0.5", "customer_id,date,kind,severity,confidence")
    assert (row["severity"], row["confidence"]) == (4.0, 0.5)


def test_a_score_without_a_kind_is_a_credit_report(tmp_path):
    assert [(row["kind"], row["score"]) for row in rows_of(tmp_path, "id,date,score", "C1,2024-03-05,640")] == [("credit_report", 640.0)]
    assert one(tmp_path, "C1,2024-03-05,,,640")["kind"] == "credit_report"


def test_other_columns_are_kept_under_their_names(tmp_path):
    assert one(tmp_path, "C1,2024-03-05,inquiry,north", "id,date,kind,Branch")["Branch"] == "north"


def test_ids_follow_from_the_content_and_equal_rows_stay_two(tmp_path):
    lines = (HEADER, "C1,2024-03-05,inquiry,1,", "C1,2024-03-05,inquiry,1,", "C2,2024-03-05,inquiry,1,")
    first, again = ([row["event_id"] for row in rows_of(tmp_path, *rows)] for rows in (lines, lines))
    assert first == again
    assert len(set(first)) == 3
    assert one(tmp_path, "R9,C1,2024-03-05,inquiry", "record_id,customer_id,date,kind")["event_id"] == "R9"


@pytest.mark.parametrize(("lines", "message"), [
    ((HEADER, "C1,2024-03-05,inquiry,5,", 'C1,2024-03-05,inquiry,"1.234,56",'), r"bureau.csv, line 3: amount '1.234,56' has a decimal comma: write 1234.56"),
    (("id;date;score", "C1;2024-03-05;640,5"), "line 2: score '640,5' has a decimal comma"),
    ((HEADER, "C1,05.03.2024,inquiry,,"), "line 2: date '05.03.2024' is not a date: write it as 2024-03-05"),
    ((HEADER, "C1,2024-03-05,inquiry,many,"), "line 2: amount 'many' is not a number: write it as 1234.56"),
    (("id,date,kind,severity", "C1,2024-03-05,inquiry,9"), "severity '9' is not a number from 1 to 5"),
    (("id,date,kind,confidence", "C1,2024-03-05,inquiry,80"), "confidence '80' is not a number from 0 to 1"),
    (("date,kind", "2024-03-05,inquiry"), r"no column says whom a row is about \(it has date, kind\): name one customer_id"),
    (("id,kind", "C1,inquiry"), r"no column says when it happened \(it has id, kind\): name one occurred_at"),
    (("id,date", "C1,2024-03-05"), r"no column says what happened \(it has id, date\): name one kind, or score"),
    (("id,client_id,date,kind", "C1,C1,2024-03-05,inquiry"), "columns id and client_id both mean customer_id: rename or remove one"),
    (("id,date,kind,kind", "C1,2024-03-05,a,b"), "the header names kind twice"),
    ((HEADER, "C1,2024-03-05"), "cannot be read as UTF-8 CSV .*save it as UTF-8 with one header line"),
])
def test_what_cannot_be_read_is_named_with_its_line(tmp_path, lines, message):
    with pytest.raises(RiskError, match=message):
        rows_of(tmp_path, *lines)


def test_a_missing_file_and_a_foreign_encoding_are_named(tmp_path):
    with pytest.raises(RiskError, match=r"bureau.csv does not exist: correct `file`"):
        read(BureauFile(file="bureau.csv"), tmp_path)
    with pytest.raises(RiskError, match="cannot be read as UTF-8 CSV"):
        rows_of(tmp_path, HEADER, "C1,2024-03-05,公司,,", encoding="gb18030")
