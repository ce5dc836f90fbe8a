"""Company reports in JSON: dated events, known when they could be, once each, with the company's role and the vendor's judgement."""

import json
from datetime import datetime
from pathlib import Path

import duckdb
import msgspec
import pyarrow.parquet as pq
import pytest
import yaml
from builders import day, event, observation, write_table

from features.catalogue import build_catalogue
from features.compute import compute
from features.errors import RiskError
from features.feeders.duck import columns_of, featurize
from features.feeders.records import from_rows, observations_of
from features.tables import TABLES
from pipeline.ingest import check_source
from pipeline.params import SourceParams, load_params
from pipeline.readers.company_reports import SCHEMA, read
from pipeline.readers.parsing import read_amount, read_day
from pipeline.readers.vocabulary import KINDS as KINDS_OF_EVENTS
from pipeline.source import load_source
from pipeline.source_file import BureauFile, CompanyReports, SourceFile
from serving.messages import LANGUAGES, feature_name, format_value, has_text

COMPANY = {"CompanyName": "示例有限公司", "KeyNo": "k1", "CreditCode": "91310000XX"}
SUIT = {"Id": "s1", "CaseNo": "（2024）沪01民初1号", "LianDate": "2024-02-10", "PublishDate": "2024-03-05", "Amount": "12,500.00", "IsDefendant": "1"}


def report(on="2024-06-30", **fields):
    return {"Status": "200", "ReportDate": on, "Result": COMPANY | fields}


def rows_of(tmp_path, *reports, pattern="*.json"):
    for number, content in enumerate(reports):
        (tmp_path / f"{number}.json").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return read(CompanyReports(files=pattern), tmp_path).to_pylist()


def one(tmp_path, section, item, on="2024-06-30"):
    found = rows_of(tmp_path, report(on, **{section: [item]}))
    assert len(found) == 1
    return found[0]


def test_a_lawsuit_is_dated_by_its_filing_and_known_by_its_publication(tmp_path):
    row = one(tmp_path, "CaseFiling", SUIT)
    assert (row["occurred_at"], row["known_at"]) == (day("2024-02-10"), day("2024-03-05"))
    assert (row["kind"], row["family"], row["amount"], row["severity"], row["role"]) == ("lawsuit", "court", 1_250_000, 3.0, "defendant")
    assert (row["credit_code"], row["company_key"], row["case_no"], row["source"]) == ("91310000XX", "k1", "(2024)沪01民初1号", "company_report")


@pytest.mark.parametrize(("published", "occurred", "known"), [
    (None, "2024-02-10", "2024-06-30"),
    ("2024-02-01", "2024-02-10", "2024-02-10"),
    ("2024-03-05", "2024-02-10", "2024-03-05"),
])
def test_known_at_is_the_publication_else_the_reports_day_and_never_before_the_event(tmp_path, published, occurred, known):
    row = one(tmp_path, "CaseFiling", SUIT | {"PublishDate": published, "LianDate": occurred})
    assert (row["occurred_at"], row["known_at"]) == (day(occurred), day(known))


def test_a_hearing_fixed_for_a_later_day_is_news_of_the_report(tmp_path):
    row = one(tmp_path, "CourtAnno", {"CaseNo": "c", "CourtTime": "2024-08-01"})
    assert (row["occurred_at"], row["known_at"]) == (day("2024-06-30"), day("2024-06-30"))


@pytest.mark.parametrize(("section", "item", "kind", "severity"), [
    ("ShiXin", {"Anno": "a", "Liandate": "2024-01-05", "Publicdate": "2024-02-01", "Amount": "3万元"}, "dishonest_debtor", 5),
    ("ZhiXing", {"Anno": "a", "Liandate": 1704384000000, "Biaodi": "1.2亿"}, "enforcement", 4),
    ("EndExecuteCase", {"CaseNo": "a", "LianDate": "2023-01-01", "EndDate": "2024-01-05", "UnperformedAmt": "5"}, "enforcement_without_assets", 5),
    ("限制高消费", {"案号": "a", "JudgeDate": "2024年1月5日"}, "consumption_limit", 4),
    ("EquityFreeze", {"ExecutionNoticeNum": "a", "FreezeStartDate": "2024-01-05", "EquityAmount": "1000万股"}, "equity_freeze", 4),
    ("Exception", {"AddDate": "2024-01-05", "AddReason": "地址"}, "abnormal_operation", 3),
    ("AdminPenalty", {"Id": "p", "PunishDate": "2024/1/5", "PunishAmt": "2000"}, "penalty", 2),
    ("Bankruptcy", {"CaseNo": "b", "PublicDate": "2024-01-05", "RespondentList": [{"KeyNo": "k1"}]}, "bankruptcy", 5),
    ("HistoryShiXinCheck", {"CaseNo": "a", "LiAnDate": "20240105"}, "dishonest_debtor", 5),
    ("tax_owe_notice", {"Id": "t", "PublishDate": "2024-01-05T00:00:00", "NewAmount": 10.5}, "tax_arrears", 4),
])
def test_each_section_has_its_kind_and_severity(tmp_path, section, item, kind, severity):
    row = one(tmp_path, section, item)
    assert (row["kind"], row["severity"], row["occurred_at"]) == (kind, severity, day("2024-01-05"))


@pytest.mark.parametrize(("party", "kind", "role"), [
    ({"IsProsecutor": "1", "IsDefendant": "0"}, "lawsuit_as_plaintiff", "plaintiff"),
    ({"ProsecutorList": [{"Name": "示例有限公司"}], "DefendantList": [{"Name": "别人"}]}, "lawsuit_as_plaintiff", "plaintiff"),
    ({"DefendantList": [{"KeyNo": "k1", "Name": "旧名"}]}, "lawsuit", "defendant"),
    ({"RoleList": [{"RoleName": "第三人", "RoleItemList": [{"Name": "示例有限公司"}]}]}, "lawsuit_as_third_party", "third_party"),
    ({"RoleList": [{"RoleType": "被告", "RoleItemList": ["示例有限公司"]}]}, "lawsuit", "defendant"),
    ({"role": "Plaintiff"}, "lawsuit_as_plaintiff", "plaintiff"),
    ({"PartyList": [{"Name": "示例有限公司", "RoleType": "不明"}]}, "lawsuit", None),
    ({}, "lawsuit", None),
])
def test_the_plaintiff_is_not_the_defendant(tmp_path, party, kind, role):
    item = {name: value for name, value in SUIT.items() if name != "IsDefendant"} | party
    row = one(tmp_path, "CaseFiling", item)
    assert (row["kind"], row["role"]) == (kind, role)
    assert row["severity"] == {"lawsuit": 3, "lawsuit_as_plaintiff": 1, "lawsuit_as_third_party": 2}[kind]


def test_a_record_that_later_reports_repeat_is_one_event_as_first_known(tmp_path):
    unpublished = SUIT | {"PublishDate": None}
    (tmp_path / "a").mkdir()
    first = rows_of(tmp_path / "a", report("2024-05-31", CaseFiling=[unpublished]))
    later = report("2024-06-30", HistoryCaseFiling=[unpublished | {"Id": "other", "Amount": "9"}])
    both = rows_of(tmp_path, later, report("2024-05-31", CaseFiling=[unpublished]))
    assert [row["event_id"] for row in both] == [row["event_id"] for row in first]
    assert (both[0]["known_at"], both[0]["amount"]) == (day("2024-05-31"), 1_250_000)


def test_stages_of_one_case_are_one_lawsuit_with_its_amount_once(tmp_path):
    filing = {"CaseNo": "c", "LianDate": "2024-01-05", "PublishDate": "2024-01-20"}
    judgment = {"CaseNo": "c", "JudgeDate": "2024-05-01", "PublishDate": "2024-05-20", "Amount": "100"}
    appeal = judgment | {"JudgeDate": "2024-06-01", "PublishDate": "2024-06-10"}
    found = rows_of(tmp_path, report(CaseFiling=[filing], JudgmentDoc=[judgment, appeal]))
    assert [(row["kind"], row["amount"]) for row in found] == [("lawsuit", None), ("judgment", 10_000), ("judgment", None)]


def test_the_report_itself_carries_score_level_and_the_worst_passage(tmp_path):
    items = [{"Title": "存在失信", "Passage": "yellow", "RiskType": "法律风险"}, {"Title": "存在执行", "Passage": "red", "RiskType": "法律风险"}]
    found = rows_of(tmp_path, report("2024-05-31", RiskLevel="中风险", RiskScore="70"), report("2024-06-30", RiskLevel="较高风险", RiskScore="62", Data=items))
    scored = [row for row in found if row["kind"] == "credit_report"]
    assert [(row["score"], row["score_change"], row["severity"], row["passage"], row["passage_level"]) for row in scored] == [
        (70.0, None, 3.0, None, None), (62.0, -8.0, 4.0, "red", 3.0)]
    assert [(row["title"], row["passage"], row["severity"], row["confidence"]) for row in found if row["kind"] == "report_item"] == [
        ("存在失信", "yellow", 3.0, 0.7), ("存在执行", "red", 5.0, 0.7)]


@pytest.mark.parametrize(("level", "severity"), [("低风险", 1), ("较低风险", 2), ("中风险", 3), ("较高风险", 4), ("高风险", 5), ("High risk", 5)])
def test_the_five_risk_levels(tmp_path, level, severity):
    assert rows_of(tmp_path, report(RiskLevel=level))[0]["severity"] == severity


@pytest.mark.parametrize(("verdict", "passage"), [("通过", "green"), ("关注", "yellow"), ("不通过", "red"), ("红灯", "red"), ("GREEN", "green")])
def test_the_words_for_the_passage(tmp_path, verdict, passage):
    assert rows_of(tmp_path, report(RiskScore="50", 结论=verdict))[0]["passage"] == passage


def test_findings_without_a_date_are_news_of_the_first_report_that_has_them(tmp_path):
    item = {"Title": "存在失信", "Passage": "red", "RiskType": "法律风险"}
    found = rows_of(tmp_path, report("2024-05-31", Data=[item]), report("2024-06-30", Data=[item]))
    assert [row["known_at"] for row in found if row["kind"] == "report_item"] == [day("2024-05-31")]


def test_what_is_not_known_is_kept_as_other_and_named(tmp_path):
    row = one(tmp_path, "火星记录", {"日期": "2024-01-05", "标题": "登陆", "Ufo": {"a": [1]}})
    assert (row["kind"], row["family"], row["severity"], row["title"]) == ("other", "other", None, "登陆")


def test_lists_about_the_company_are_no_events(tmp_path):
    assert rows_of(tmp_path, report(Partners=[{"StartDate": "2020-01-01"}], Paging={"Total": 1})) == []


def test_an_entry_that_was_lifted_says_so_when_the_report_knew(tmp_path):
    found = rows_of(tmp_path, report(Exception=[{"AddDate": "2023-01-05", "RemoveDate": "2023-09-01", "AddReason": "地址"}]))
    assert [(row["kind"], row["occurred_at"], row["known_at"], row["severity"]) for row in found] == [
        ("abnormal_operation", day("2023-01-05"), day("2024-06-30"), 3.0), ("lifted", day("2023-09-01"), day("2024-06-30"), 1.0)]


def test_answers_of_single_checks_are_read_in_their_envelopes(tmp_path):
    row = rows_of(tmp_path, COMPANY | {"ReportDate": "2024-06-30", "ShiXin": {
        "Status": "200", "Result": {"VerifyResult": 1, "Data": [{"Anno": "a", "Liandate": "2024-01-05"}]}}})[0]
    assert row["kind"] == "dishonest_debtor"


def test_a_list_of_reports_and_the_day_in_the_files_name(tmp_path):
    (tmp_path / "batch_2024-06-30.json").write_text(json.dumps([COMPANY | {"RiskScore": "50"}, {"CompanyName": "b", "RiskScore": "60"}]), encoding="utf-8-sig")
    assert [row["known_at"] for row in read(CompanyReports(files="**/*.json"), tmp_path).to_pylist()] == [day("2024-06-30")] * 2


def test_a_company_is_one_whether_it_is_named_by_code_or_by_key(tmp_path):
    by_key = {"KeyNo": "k1", "ReportDate": "2024-05-31", "CaseFiling": [SUIT]}
    found = rows_of(tmp_path, by_key, report(CaseFiling=[SUIT]))
    assert [row["credit_code"] for row in found] == ["91310000XX"]


@pytest.mark.parametrize(("content", "message"), [
    ("{", r"0\.json is not JSON \(line 1: .*store the answers of the interface as they came"),
    ("[3]", r"0\.json, report 1: expected a report as a JSON object, found int"),
    ('{"ReportDate": "2024-06-30"}', "the report names no company: give CreditCode, KeyNo or CompanyName"),
    ('{"KeyNo": "k"}', "the report has no date: add ReportDate .*or write that day into the file's name"),
    ('{"KeyNo": "k", "ReportDate": "30/06/2024"}', "reportdate '30/06/2024' is not a date: write it as 2024-03-05"),
    ('{"KeyNo": "k", "ReportDate": "2024-06-30", "ShiXin": [{}, {"Liandate": "2024-13-45"}]}', "shixin 2: liandate '2024-13-45' is not a date"),
    ('{"KeyNo": "k", "ReportDate": "2024-06-30", "ShiXin": [{"PublishDate": "2024-09-01"}]}', "published on 2024-09-01, after its report of 2024-06-30"),
    ('{"KeyNo": "k", "ReportDate": "2024-06-30", "RiskScore": "good"}', "the score 'good' is not a number"),
])
def test_what_cannot_be_read_is_named(tmp_path, content, message):
    (tmp_path / "0.json").write_text(content)
    with pytest.raises(RiskError, match=message):
        read(CompanyReports(files="*.json"), tmp_path)


def test_no_file_and_a_foreign_encoding_are_named(tmp_path):
    with pytest.raises(RiskError, match=r"no file in .* matches reports/\*\.json: correct `files`"):
        read(CompanyReports(files="reports/*.json"), tmp_path)
    (tmp_path / "0.json").write_bytes("公司".encode("gb18030"))
    with pytest.raises(RiskError, match="is not UTF-8 .*save it as UTF-8"):
        read(CompanyReports(files="*.json"), tmp_path)


@pytest.mark.parametrize(("text", "expected"), [
    ("2024-03-05", "2024-03-05"), ("2024-03-05 23:59:59", "2024-03-05"), ("2024年3月5日", "2024-03-05"), ("2024/3/5", "2024-03-05"), ("20240305", "2024-03-05"),
    (1709568000, "2024-03-05"), (1709568000000, "2024-03-05"), ("/Date(1709568000000)/", "2024-03-05"), ("2024-03-04T16:00:00Z", "2024-03-05"),
    ("2024-03-05T00:00:00+08:00", "2024-03-05"), ("-", None), ("", None), (None, None), ("0001-01-01", None), (0, None),
])
def test_dates_as_vendors_write_them(text, expected):
    assert read_day(text) == (datetime.fromisoformat(expected) if expected else None)


@pytest.mark.parametrize("text", ["05/03/2024", "5. März 2024", "2024-13-01", "soon", "9999-12-31"])
def test_dates_that_could_mean_something_else_are_refused(text):
    with pytest.raises(ValueError):
        read_day(text)


@pytest.mark.parametrize(("text", "expected"), [
    ("12,500.00", (1_250_000, None)), ("3万元", (3_000_000, "CNY")), ("1.2亿", (12_000_000_000, None)), ("500万人民币", (500_000_000, "CNY")),
    ("100万美元", (100_000_000, "USD")), (1125500, (112_550_000, None)), (0.1, (10, None)), ("-3.5", (-350, None)), ("—", (None, None)), (None, (None, None)),
])
def test_amounts_as_vendors_write_them(text, expected):
    assert read_amount(text) == expected


@pytest.mark.parametrize("text", ["12.500,00", "1,5", "1000万股", "about 3"])
def test_amounts_that_could_mean_something_else_are_refused(text):
    with pytest.raises(ValueError):
        read_amount(text)


def test_an_amount_that_is_none_is_kept_as_words(tmp_path):
    row = one(tmp_path, "EquityFreeze", {"ExecutionNoticeNum": "a", "FreezeStartDate": "2024-01-05", "EquityAmount": "1000万股"})
    assert (row["amount"], row["amount_text"]) == (None, "1000万股")


KINDS = {"string": "category", "double": "number", "int64": "money", "timestamp[us]": "time"}
EVENTS = {field.name: KINDS[str(field.type)] for field in SCHEMA} | {column.name: column.kind for column in TABLES["events"].columns}
CATALOGUE = build_catalogue("default", {"events": EVENTS})
WITHOUT_REPORTS = build_catalogue("default", {"events": {column.name: column.kind for column in TABLES["events"].columns}})
NEW = [name for name in CATALOGUE.names if name not in WITHOUT_REPORTS.names]


def test_reports_become_features_and_other_sources_keep_theirs():
    assert {"evt_report_score_last_730d", "evt_report_score_change_last_730d", "evt_report_passage_last_730d", "evt_report_severity_last_730d",
            "evt_enforcement_count_365d", "evt_insolvency_count_365d", "evt_regulator_count_365d"} <= set(NEW)
    assert not set(NEW) & set(WITHOUT_REPORTS.left_out)


def test_features_read_the_last_report_and_the_families(tmp_path):
    found = rows_of(tmp_path, report("2024-05-31", RiskScore="70", RiskLevel="中风险"),
                    report("2024-06-30", RiskScore="62", RiskLevel="高风险", 结论="不通过", ShiXin=[{"Anno": "a", "Liandate": "2024-06-10", "Amount": "5"}]))
    tables = {"events": [{name: row[name] for name in row if name not in ("company_name", "title", "amount_text")} | {"customer_id": "C1"} for row in found]}
    asked = observations_of([{"as_of": day("2024-06-01")}, {"as_of": day("2024-06-30")}])
    names = ["evt_report_score_last_730d", "evt_report_score_change_last_730d", "evt_report_passage_last_730d", "evt_report_severity_last_730d",
             "evt_enforcement_count_365d", "evt_enforcement_amount_365d", "evt_lawsuit_count_365d"]
    values = compute(CATALOGUE.only(names), from_rows(tables, customer_id="C1"), asked)
    before, after = ([values[name][place] for name in names] for place in (0, 1))
    assert before == pytest.approx([70, float("nan"), float("nan"), 3, 0, 0, 0], nan_ok=True)
    assert after == pytest.approx([62, -8, 3, 5, 1, 500, 0])


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", NEW)
def test_every_new_feature_has_words(name, language):
    assert has_text(f"feature.{name}", language=language)
    assert "_" not in feature_name(name, language=language)
    assert "_" not in format_value(2.0, CATALOGUE[name].unit, language=language)


PAGE = (Path(__file__).parents[1] / "docs" / "credit_reports.md").read_text(encoding="utf-8")


def example(language):
    return PAGE.split(f"```{language}")[1].split("```")[0].strip()


def test_the_inputs_on_the_page_are_those_of_a_source():
    about = msgspec.convert(yaml.safe_load(example("yaml")), SourceFile)
    assert about.inputs == {"company_reports": CompanyReports(files="reports/*.json"), "bureau_rows": BureauFile(file="bureau.csv")}


def test_the_report_on_the_page_is_read(tmp_path):
    found = rows_of(tmp_path, json.loads(example("json")))
    assert [(row["kind"], row["known_at"]) for row in found] == [
        ("dishonest_debtor", day("2024-02-01")), ("credit_report", day("2024-06-30")), ("report_item", day("2024-06-30"))]


def test_every_kind_is_on_the_page():
    assert [kind for kind in KINDS_OF_EVENTS if f"`{kind}`" not in PAGE and kind not in ("complaint", "dispute", "inquiry", "late_payment")] == []


def test_the_sql_on_the_page_gives_the_customer(tmp_path):
    query = example("sql")
    (tmp_path / "customers.csv").write_text("our_id,credit_code\n007,91310000XX\n")
    rows_of(tmp_path, report(CaseFiling=[SUIT]))
    connection = duckdb.connect()
    connection.register("company_reports", read(CompanyReports(files="*.json"), tmp_path))
    connection.execute(f"SET file_search_path = '{tmp_path}'")
    connection.execute(f"CREATE TABLE staged AS {query.strip().rstrip(';')}")
    assert connection.execute("SELECT customer_id, kind, amount FROM staged").fetchall() == [("007", "lawsuit", 1_250_000)]
    required = set(TABLES["events"].required)
    assert required <= {name for name, *_ in connection.execute("DESCRIBE staged").fetchall()}
    assert set(event()) >= required


SOURCE = {
    "source.yaml": "description: reports\nuse_cases: [default]\ncomplete_to: '2024-12-31'\n"
                   "inputs:\n  company_reports: {kind: company_reports, files: '*.json'}\n",
    "customers.sql": "SELECT our_id AS customer_id, TIMESTAMP '2020-01-01' AS known_at FROM read_csv('customers.csv', all_varchar = true)",
    "outcomes.sql": "SELECT '007' AS customer_id, 'default' AS kind, TIMESTAMP '2024-09-01' AS occurred_at, TIMESTAMP '2024-09-10' AS known_at",
    "events.sql": example("sql"),
}


def test_a_source_with_company_reports_is_ingested_and_its_features_computed(tmp_path):
    files = tmp_path / "files"
    files.mkdir()
    rows_of(files, report("2024-05-31", RiskScore="70"), report(RiskScore="62", RiskLevel="高风险", ShiXin=[{"Anno": "a", "Liandate": "2024-06-10"}]))
    (files / "customers.csv").write_text("our_id,credit_code\n007,91310000XX\n")
    definition = tmp_path / "mine"
    definition.mkdir()
    for name, content in SOURCE.items():
        (definition / name).write_text(content, encoding="utf-8")
    params = load_params()
    source = load_source(msgspec.structs.replace(params, source=SourceParams(name="mine", definition=str(definition), path=str(files))))
    intake = check_source(source, params.ingest, tmp_path / "out")
    assert (intake["tables"]["events"]["kept"], intake["tables"]["events"]["rejected"]) == (3, {})
    write_table(tmp_path / "out", "observations", [observation("007", as_of="2024-07-01")])
    catalogue = build_catalogue("default", columns_of(tmp_path / "out" / "tables"))
    featurize(tmp_path / "out" / "tables", tmp_path / "out" / "observations.parquet", tmp_path / "features.parquet", catalogue=catalogue, threads=1)
    row = pq.read_table(tmp_path / "features.parquet").to_pylist()[0]
    assert (row["evt_report_score_last_730d"], row["evt_report_score_change_last_730d"], row["evt_enforcement_count_365d"]) == (62.0, -8.0, 1.0)
