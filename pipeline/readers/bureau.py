"""A credit bureau's CSV as dated rows of the table events; headers may be written in many ways, values may not be guessed."""

import hashlib
import re
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from features.errors import RiskError
from pipeline.readers.parsing import is_empty, read_amount, read_day
from pipeline.readers.vocabulary import KINDS, kind_of, plain

# Column: the headers it may have, in lower case without spaces, dashes and underscores.
HEADERS = {
    "event_id": "eventid,recordid,referenceid,reference,记录编号",
    "customer_id": "customerid,clientid,id,companyid,subjectid,entityid,creditcode,unifiedsocialcreditcode,uscc,vat,vatnumber,registrationnumber,"
                   "taxid,客户编号,统一社会信用代码",
    "occurred_at": "occurredat,occurredon,date,eventdate,recorddate,openeddate,filingdate,日期,发生日期",
    "known_at": "knownat,publishdate,publicdate,publisheddate,reporteddate,reportdate,reportedat,updatedate,lastupdated,发布日期,报告日期",
    "kind": "kind,event,eventkind,eventtype,type,recordtype,category,类型,事件类型",
    "amount": "amount,value,claimamount,balance,debt,金额",
    "currency": "currency,币种",
    "score": "score,creditscore,bureauscore,riskscore,评分,分数",
    "severity": "severity,gravity,严重程度",
    "source": "source,bureau,provider,来源",
    "confidence": "confidence,reliability,置信度",
    "case_no": "caseno,casenumber,docket,案号",
    "title": "title,description,text,标题,描述",
}
_COLUMN_OF = {name: column for column, names in HEADERS.items() for name in names.split(",")}
_DECIMAL_COMMA = re.compile(r"-?\d+(\.\d{3})*,\d{1,2}|-?\d{1,3}(\.\d{3})+,\d+")
TYPES = {"occurred_at": pa.timestamp("us"), "known_at": pa.timestamp("us"), "amount": pa.int64(), "score": pa.float64(), "severity": pa.float64(),
         "confidence": pa.float64()}
ORDER = ("event_id", "customer_id", "occurred_at", "known_at", "kind", "family", "amount", "currency", "severity", "source", "confidence", "score",
         "case_no", "title")


def read(spec, folder):
    """The rows of the file as events, an Arrow table: the columns of ORDER, then the file's others as text under their own names.

    Needed are a customer, a date and a kind or a score; `known_at` is the date on which the bureau published or updated the row, the date itself where the
    file has no such column. A kind that is not known becomes `other` and keeps its word in `title`; a row with a score and no kind is a
    credit_report. Amounts become minor units. A severity that the file does not give follows from the kind (pipeline/readers/vocabulary.py). Without an id
    a row's id follows from its content.

    Raises RiskError for an unreadable file, a missing or doubled column, a decimal comma, or a date or number that cannot be read.
    """
    file = Path(folder) / spec.file
    raw = _rows(file)
    columns = {column: _parsed(raw[header], column, file, header) for column, header in _headers(raw.column_names, file).items()}
    _require(columns, raw.column_names, file)
    named = columns | _kinds(columns) | {"known_at": columns.get("known_at", columns["occurred_at"])}
    named |= {"severity": _severities(named), "event_id": columns.get("event_id", _ids(columns)), "source": columns.get("source", _all("bureau", raw))}
    given = {column: named[column] for column in ORDER if column in named}
    return pa.table(given | {name: raw[name] for name in raw.column_names if plain(name) not in _COLUMN_OF and name not in given})


def _rows(file):
    try:
        header = _header(file)
        options = csv.ConvertOptions(column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=True, null_values=[""])
        return csv.read_csv(file, parse_options=csv.ParseOptions(delimiter=_delimiter(file), newlines_in_values=True), convert_options=options)
    except FileNotFoundError:
        raise RiskError(f"{file} does not exist: correct `file` of the input or the data folder.") from None
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise RiskError(f"{file} cannot be read as UTF-8 CSV ({str(error).splitlines()[0]}): save it as UTF-8 with one header line.") from None


def _first_line(file):
    with file.open(encoding="utf-8-sig") as lines:
        return lines.readline().rstrip("\r\n")


def _delimiter(file):
    line = _first_line(file)
    return max(",;\t|", key=line.count)


def _header(file):
    names = [name.strip().strip('"') for name in _first_line(file).split(_delimiter(file))]
    doubled = [name for name, count in Counter(names).items() if count > 1]
    if doubled:
        raise RiskError(f"{file}: the header names {doubled[0]} twice: rename one of the columns.")
    return names


def _headers(names, file):
    """Our columns and the file's headers for them."""
    found = {}
    for name in names:
        column = _COLUMN_OF.get(plain(name))
        if column in found:
            raise RiskError(f"{file}: columns {found[column]} and {name} both mean {column}: rename or remove one of them.")
        if column:
            found[column] = name
    return found


def _require(columns, given, file):
    for column, why in (("customer_id", "whom a row is about"), ("occurred_at", "when it happened")):
        if column not in columns:
            raise RiskError(f"{file}: no column says {why} (it has {', '.join(given)}): name one {column}.")
    if not {"kind", "score"} & set(columns):
        raise RiskError(f"{file}: no column says what happened (it has {', '.join(given)}): name one kind, or score.")


def _parsed(texts, column, file, header):
    """A column read value by distinct value: dates, minor units, numbers; anything else stays text."""
    read_one = {"occurred_at": read_day, "known_at": read_day, "amount": lambda text: read_amount(text)[0], "score": _number, "severity": _severity,
                "confidence": _share}.get(column, lambda text: None if is_empty(text) else text.strip())
    encoded = texts.combine_chunks().dictionary_encode()
    encoded = pa.chunked_array([encoded]).combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    values = [_value(read_one, text, texts, column, file, header) for text in encoded.dictionary.to_pylist()]
    return pa.array(values, type=TYPES.get(column, pa.string())).take(encoded.indices)


def _value(read_one, text, texts, column, file, header):
    try:
        if column in ("amount", "score", "confidence", "severity") and _DECIMAL_COMMA.fullmatch(text.strip()):
            raise ValueError("a decimal comma")
        return read_one(text)
    except ValueError as error:
        line = pc.index(texts, text).as_py() + 2
        what = {"occurred_at": "is not a date: write it as 2024-03-05", "known_at": "is not a date: write it as 2024-03-05"}.get(column)
        if str(error) == "a decimal comma":
            what = "has a decimal comma: write 1234.56, or read the file in SQL with decimal_separator = ','"
        raise RiskError(f"{file}, line {line:,}: {header} {text!r} {what or _expected(column)}.") from None


def _expected(column):
    return {"severity": "is not a number from 1 to 5: correct it", "confidence": "is not a number from 0 to 1: correct it"}.get(
        column, "is not a number: write it as 1234.56")


def _number(text):
    return None if is_empty(text) else float(text)


def _within(text, low, high):
    number = _number(text)
    if number is not None and not low <= number <= high:
        raise ValueError(text)
    return number


def _severity(text):
    return _within(text, 1, 5)


def _share(text):
    return _within(text, 0, 1)


def _kinds(columns):
    """Kind, family and title: what a row does not say follows from its having a score."""
    kinds = columns.get("kind")
    if kinds is None:
        kinds = _all(None, columns["score"])
    words, number = kinds.dictionary_encode().dictionary.to_pylist(), kinds.dictionary_encode().indices
    known = {word: _known_kind(word) for word in words}
    kind = pc.fill_null(pa.array([known[word] for word in words], type=pa.string()).take(number), "credit_report")
    family = _mapped(kind, {name: family for name, (family, _) in KINDS.items()}, pa.string())
    strange = pc.if_else(pc.equal(kind, "other"), kinds, pa.scalar(None, pa.string()))
    title = pc.coalesce(columns["title"], strange) if "title" in columns else strange
    return {"kind": kind, "family": family, "title": title}


def _known_kind(word):
    bare = re.sub(r"[\s\-]+", "_", word.strip().lower())
    return bare if bare in KINDS else kind_of(word) or "other"


def _severities(named):
    usual = _mapped(named["kind"], {name: severity for name, (_, severity) in KINDS.items()}, pa.float64())
    # A score's scale is its bureau's own: how grave a report is, the file says or nobody.
    usual = pc.if_else(pc.equal(named["kind"], "credit_report"), pa.scalar(None, pa.float64()), usual)
    return pc.coalesce(named["severity"], usual) if "severity" in named else usual


def _mapped(values, table, kind):
    encoded = values.dictionary_encode()
    return pa.array([table.get(word) for word in encoded.dictionary.to_pylist()], type=kind).take(encoded.indices)


def _all(value, like):
    return pa.array([value] * len(like), type=pa.string())


def _ids(columns):
    """An id of each row's content, equal rows numbered, so that reading the file again gives the same ids."""
    names = sorted(columns)
    seen, ids = Counter(), []
    for content in zip(*(columns[name].to_pylist() for name in names), strict=True):
        text = "\x1f".join("" if value is None else str(value) for value in content)
        ids.append(hashlib.sha256(f"{text}\x1f{seen[text]}".encode()).hexdigest()[:24])
        seen[text] += 1
    return pa.array(ids)
