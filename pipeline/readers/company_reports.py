"""Commercial company reports in JSON, shaped like 企查查's due-diligence answer, as dated rows of the table events."""

import hashlib
import json
import re
from pathlib import Path

import pyarrow as pa

from features.errors import RiskError
from pipeline.readers.parsing import read_day
from pipeline.readers.report_items import records_of, report_of
from pipeline.readers.vocabulary import KINDS, STAGES

SOURCE = "company_report"
SCHEMA = pa.schema([
    ("event_id", pa.string()), ("credit_code", pa.string()), ("company_key", pa.string()), ("company_name", pa.string()),
    ("occurred_at", pa.timestamp("us")), ("known_at", pa.timestamp("us")), ("kind", pa.string()), ("family", pa.string()), ("amount", pa.int64()),
    ("currency", pa.string()), ("amount_text", pa.string()), ("severity", pa.float64()), ("source", pa.string()), ("confidence", pa.float64()),
    ("score", pa.float64()), ("score_change", pa.float64()), ("passage", pa.string()), ("passage_level", pa.float64()), ("title", pa.string()),
    ("role", pa.string()), ("case_no", pa.string()),
])
_DAY_IN_NAME = re.compile(r"(?<!\d)(\d{4}-\d{2}-\d{2}|20\d{6})(?!\d)")


def read(spec, folder):
    """The events of all report files that match `spec.files` under `folder`, an Arrow table with the columns of SCHEMA.

    One row per record however many reports repeat it, as the first report that named it did: `event_id` follows from its content, so that reading the
    files again, or more of them, duplicates nothing. Stages of one court case are one lawsuit, known with the first of them, and later stages by their
    own kinds, whose amount is kept only where no earlier stage gave one. `known_at` is the publish date where the report gives one, else the report's
    own day; amounts are minor units. Who the customer is, the SQL says from credit_code, company_key or company_name.

    Raises RiskError for no matching file, unreadable JSON, a report without company or day, or a date that cannot be read.
    """
    reports = [report for file in _files(spec, Path(folder)) for report in _reports(file)]
    records = [record | {"company": company} for report, company in zip(reports, _same_companies(reports), strict=True) for record in records_of(report)]
    rows = _score_changes(_cases(_first_known(records)))
    return pa.Table.from_pylist([_row(record) for record in rows], schema=SCHEMA)


def _files(spec, folder):
    files = sorted(file for file in folder.glob(spec.files) if file.is_file())
    if not files:
        raise RiskError(f"no file in {folder} matches {spec.files}: correct `files` of the input or the data folder.")
    return files


def _reports(file):
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise RiskError(f"{file} is not UTF-8 (byte {error.start + 1:,}): save it as UTF-8.") from None
    except json.JSONDecodeError as error:
        raise RiskError(f"{file} is not JSON (line {error.lineno}: {error.msg}): store the answers of the interface as they came.") from None
    day = _day_of(file)
    if isinstance(content, list):
        return [report_of(each, where=f"{file}, report {number}", day=day) for number, each in enumerate(content, start=1)]
    return [report_of(content, where=str(file), day=day)]


def _day_of(file):
    found = _DAY_IN_NAME.search(file.stem)
    try:
        return read_day(found[1]) if found else None
    except ValueError:
        return None


def _same_companies(reports):
    """Each report's company, completed from the other reports that share its code or key."""
    codes = {report.company.key: report.company.code for report in reports if report.company.key and report.company.code}
    keys = {code: key for key, code in codes.items()}
    return [each._replace(code=each.code or codes.get(each.key), key=each.key or keys.get(each.code)) for each in (report.company for report in reports)]


def _who(company):
    return company.code or company.key or company.name


def _first_known(records):
    """One record per identity, the one known first; in order of time."""
    found = {}
    for record in sorted(records, key=lambda each: (each["known_at"], each["occurred_at"], each["identity"])):
        found.setdefault((_who(record["company"]), record["identity"]), record)
    return list(found.values())


def _cases(records):
    """Records with each court case counted once: the stage known first is the lawsuit, a later one keeps its own kind and only a new amount."""
    amounts, rows = {}, []
    for record in records:
        case = (_who(record["company"]), record["case_no"])
        if record["kind"] not in STAGES or not record["case_no"]:
            rows.append(record)
            continue
        later = case in amounts
        kind = ("court_notice" if record["kind"] == "lawsuit" else record["kind"]) if later else "lawsuit"
        amount = None if amounts.get(case) is not None else record["amount"]
        rows.append(record | {"kind": kind, "severity": KINDS[kind][1], "amount": amount})
        amounts[case] = amounts.get(case) if amounts.get(case) is not None else record["amount"]
    return rows


def _score_changes(records):
    """Records with what each report's score differs from that of the company's report before; missing for the first."""
    before, rows = {}, []
    for record in records:
        who, score = _who(record["company"]), record["score"]
        change = score - before[who] if score is not None and who in before else None
        before |= {who: score} if score is not None else {}
        rows.append(record | {"score_change": change})
    return rows


def _row(record):
    company = record["company"]
    content = json.dumps([_who(company), *record["identity"]], ensure_ascii=False)
    named = {"event_id": hashlib.sha256(content.encode()).hexdigest()[:24], "credit_code": company.code, "company_key": company.key,
             "company_name": company.name, "source": SOURCE}
    return {name: named.get(name, record.get(name)) for name in SCHEMA.names}
