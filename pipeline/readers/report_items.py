"""One company report, taken apart: who it is about, when it was made, and its records as plain dicts of one shape."""

from datetime import timedelta
from typing import NamedTuple

from features.errors import RiskError
from pipeline.readers.parsing import is_empty, read_amount, read_day
from pipeline.readers.vocabulary import (
    KINDS,
    LEVELS,
    NOT_EVENTS,
    PASSAGE_NAMES,
    PASSAGES,
    ROLES,
    SEVERITY_OF_PASSAGE,
    kind_of,
    plain,
)

ENVELOPES = ("result", "data", "report", "body")
CODE = ("creditcode", "unifiedsocialcreditcode", "uscc", "统一社会信用代码", "信用代码")
KEY = ("keyno", "companykey", "companykeyno")
NAME = ("companyname", "name", "enterprisename", "企业名称", "公司名称")
REPORTED = ("reportdate", "querydate", "querytime", "reporttime", "fetchedat", "generatedat", "timestamp", "报告日期", "报告时间", "查询日期", "查询时间")
SCORE = ("riskscore", "score", "creditscore", "尽调评分", "评分", "风险评分")
LEVEL = ("risklevel", "level", "riskgrade", "风险等级", "风险级别")
PASSAGE = ("passage", "light", "verdict", "conclusion", "红黄绿通道", "红黄绿灯", "结论", "通道")
TITLE = ("title", "risktitle", "item", "casename", "casereason", "标题", "名称", "案由", "punishreason", "addreason")
TYPE = ("risktype", "kind", "type", "eventtype", "风险类别", "类型", "类别")
IDENTITY = ("id", "recordid", "eventid")
CASE = ("caseno", "anno", "casenumber", "executionnoticenum", "案号", "立案号")
OCCURRED = ("liandate", "filingdate", "立案日期", "立案时间", "judgedate", "裁判日期", "courttime", "开庭时间", "开庭日期", "punishdate", "penaltydate",
            "处罚日期", "adddate", "列入日期", "freezestartdate", "冻结起始日期", "firstbreakdate", "decisiondate", "决定日期", "regdate", "登记日期",
            "noticedate", "referencedate", "startdate", "occurredat", "occurredon", "eventdate", "date", "日期")
# A terminated enforcement happens on the day it is terminated, a judgment on its own day, not on the day the case was filed.
OCCURRED_BY_KIND = {"enforcement_without_assets": ("enddate", "终本日期"), "judgment": ("judgedate", "裁判日期")}
PUBLISHED = ("publishdate", "publicdate", "publishtime", "publishedat", "发布日期", "公布日期", "公告日期", "公示日期", "发布时间")
LIFTED = ("removedate", "removeddate", "移出日期")
AMOUNT = ("amount", "biaodi", "executesubject", "unperformedamt", "punishamt", "penaltyamount", "newamount", "totalamount", "billamt", "evaluationprice",
          "equityamount", "pledgedamount", "mortgageprice", "金额", "涉案金额", "执行标的", "标的", "案件金额", "罚款金额", "未履行金额", "欠税金额")
AMOUNT_BY_KIND = {"enforcement_without_assets": ("unperformedamt", "未履行金额")}
CREDITORS = ("prosecutorlist", "applicantlist", "pledgeelist", "原告列表")
DEBTORS = ("defendantlist", "respondentlist", "pledgorlist", "executedlist", "被告列表")
ROLE = ("role", "caserole", "roletype", "rolename", "诉讼地位", "身份", "角色")
PARTIES = ("partylist", "rolelist", "当事人")


class Company(NamedTuple):
    """The company that a report is about; at least one of the three is given."""

    code: str | None
    key: str | None
    name: str | None

    def known_as(self, names):
        """Whether an id or a name is this company's."""
        own = {plain(each) for each in self if each}
        return any(plain(each) in own for each in names if each)


class Report(NamedTuple):
    """A report: where it stands (for messages), the company, the day it was made, and its fields by their plain names."""

    where: str
    company: Company
    day: object
    fields: dict


def report_of(content, *, where, day=None):
    """The Report of one JSON object, its envelope opened; `day` is the report's day where the object gives none.

    Raises RiskError when it is no object, names no company, or no day of the report is known.
    """
    if not isinstance(content, dict):
        raise RiskError(f"{where}: expected a report as a JSON object, found {type(content).__name__}: store the answers of the interface as they came.")
    outer = plain_fields(content)
    fields = _opened(outer)
    company = Company(*(_text(_first(fields, names) or _first(outer, names)) for names in (CODE, KEY, NAME)))
    if not any(company):
        raise RiskError(f"{where}: the report names no company: give CreditCode, KeyNo or CompanyName.")
    stated = next((read for each in (fields, outer) if (read := _day(each, REPORTED, where))), None)
    if not (stated or day):
        raise RiskError(f"{where}: the report has no date: add ReportDate (the day it was fetched), or write that day into the file's name as 2024-06-30.")
    return Report(where, company, stated or day, fields)


def plain_fields(content):
    """A JSON object's fields by their plain names; of two names that read alike the first one with a value counts."""
    fields = {}
    for name, value in content.items():
        if is_empty(fields.get(plain(name))):
            fields[plain(name)] = value
    return fields


def _opened(fields):
    """What an envelope (Status, Message, Result) holds and what stands beside it; a report that is not in one as it stands."""
    for name in ENVELOPES:
        inner = fields.get(name)
        if isinstance(inner, dict) and not any(_first(fields, names) for names in (CODE, KEY, NAME)):
            return {key: value for key, value in fields.items() if key != name} | plain_fields(inner)
    return fields


def records_of(report):
    """All records of a report, dicts of the columns of `pipeline.readers.company_reports`, the report itself first."""
    found = [_itself(report)]
    for name, value in report.fields.items():
        kind, items = _section(name, value)
        for number, item in enumerate(items, start=1):
            found += _records(report, plain_fields(item), kind, name, f"{report.where}, {name} {number}")
    return [record for record in found if record]


def _section(name, value):
    """The kind a field's list is of (None for a list that does not say) and its objects."""
    if isinstance(value, dict):
        value = _answer(value)
        held = next((each for key, each in value.items() if plain(key) in ("data", "items", "list")), [value] if kind_of(name) else [])
        value = [held] if isinstance(held, dict) else held
    if not isinstance(value, list) or name in NOT_EVENTS:
        return None, []
    return kind_of(name), [item for item in value if isinstance(item, dict)]


def _answer(content):
    """What the interface answered inside its envelope."""
    inner = next((each for name, each in content.items() if plain(name) == "result" and isinstance(each, dict)), None)
    return content if inner is None else inner


def _itself(report):
    """The report as an event of its day: score, risk level as severity, the worst passage of its items where it states none."""
    score, level, passage = (_first(report.fields, names) for names in (SCORE, LEVEL, PASSAGE))
    colours = [_passage(item) for item in _section("data", report.fields.get("data"))[1]]
    colour = PASSAGES.get(plain(passage), 0) if passage else max([each for each in colours if each], default=0)
    if is_empty(score) and is_empty(level) and not colour:
        return None
    return _row(report, "credit_report", identity=(report.day.date().isoformat(), score, level), occurred=report.day, known=report.day, title=_text(level),
                severity=LEVELS.get(plain(level)) if level else SEVERITY_OF_PASSAGE[colour], score=_score(score, report.where),
                colour=colour, confidence=1.0)


def _score(value, where):
    if is_empty(value):
        return None
    try:
        return float(str(value).removesuffix("分"))
    except ValueError:
        raise RiskError(f"{where}: the score {value!r} is not a number: correct it.") from None


def _passage(item):
    stated = _first(plain_fields(item), PASSAGE)
    return PASSAGES.get(plain(stated), 0) if stated else 0


def _records(report, item, kind, section, where):
    """The records of one item: its own, that of its being lifted again, and those of the lists it holds."""
    named = _text(_first(item, TITLE)) or _text(_first(item, TYPE))
    kind = kind or next((found for name in (*TYPE, *TITLE) if (found := kind_of(item.get(name) or ""))), None)
    within = [(name, plain_fields(each)) for name, value in item.items() if name in ("details", "detaillist", "items", "data", "list", "明细")
              for each in (value if isinstance(value, list) else []) if isinstance(each, dict)]
    if within:
        detailed = [_records(report, each, kind or kind_of(name), section, f"{where}, {name} {number}") for number, (name, each) in enumerate(within, 1)]
        return [record for records in detailed for record in records]
    dated = _day(item, (*OCCURRED_BY_KIND.get(kind, ()), *OCCURRED), where)
    published = _day(item, PUBLISHED, where)
    if not (dated or published):
        return [_undated(report, item, kind, section, named)]
    return [_dated(report, item, kind or "other", dated or published, published, named or section, where), _lifted(report, item, kind, where)]


def _undated(report, item, kind, section, named):
    """A finding without a date of its own: news of the first report that has it, and never a lawsuit anew with every report."""
    colour = _passage(item)
    if not kind and not colour:
        return None
    identity = (section, _text(_first(item, TYPE)), named, _case(item) or _text(_first(item, IDENTITY)))
    return _row(report, "report_item" if colour or kind is None else kind, identity=identity, occurred=report.day, known=report.day, title=named or section,
                severity=SEVERITY_OF_PASSAGE[colour] if colour else KINDS[kind][1], colour=colour, confidence=0.7, **_money(item, kind))


def _dated(report, item, kind, occurred, published, title, where):
    if published and published > report.day + timedelta(days=1):
        raise RiskError(f"{where}: published on {published:%Y-%m-%d}, after its report of {report.day:%Y-%m-%d}: correct the report's date.")
    known = min(published or report.day, report.day)
    role = _role(report.company, item)
    case, own = _case(item), _text(_first(item, IDENTITY))
    if role in ("plaintiff", "third_party") and KINDS[kind][0] in ("court", "insolvency", "enforcement"):
        kind = f"lawsuit_as_{role}"
    # Ids differ between a current and a historic section, case numbers and dates do not.
    identity = (case, occurred.date().isoformat()) if case else (own,) if own else (occurred.date().isoformat(), title)
    # A hearing fixed for a later day is news of the day it was announced.
    occurred = known if occurred > report.day else occurred
    return _row(report, kind, identity=identity, occurred=occurred, known=max(known, occurred), title=title, severity=KINDS[kind][1],
                role=role, case_no=case, confidence=1.0 if own or case else 0.9, **_money(item, kind))


def _lifted(report, item, kind, where):
    removed = _day(item, LIFTED, where)
    if removed is None or removed > report.day:
        return None
    identity = ("lifted", kind, _text(_first(item, IDENTITY)) or _case(item) or _text(_first(item, TITLE)) or "", removed.date().isoformat())
    return _row(report, "lifted", identity=identity, occurred=removed, known=report.day, title=kind or "other", severity=1, confidence=1.0)


def _row(report, kind, *, identity, occurred, known, title, severity, score=None, colour=0, role=None, case_no=None, confidence=1.0, amount=None,
         currency=None, amount_text=None):
    return {"company": report.company, "identity": (kind, *(str(part) for part in identity)), "occurred_at": occurred, "known_at": known, "kind": kind,
            "family": KINDS[kind][0], "amount": amount, "currency": currency, "amount_text": amount_text, "severity": severity, "confidence": confidence,
            "score": score, "passage": PASSAGE_NAMES[colour], "passage_level": float(colour) if colour else None, "title": title, "role": role,
            "case_no": case_no}


def _money(item, kind):
    stated = _first(item, (*AMOUNT_BY_KIND.get(kind, ()), *AMOUNT))
    try:
        amount, currency = read_amount(stated)
    except ValueError:
        # Shares and square metres stand where amounts do: kept as words rather than guessed.
        return {"amount_text": str(stated)}
    return {"amount": amount, "currency": currency or ("CNY" if amount is not None else None)}


def _role(company, item):
    """plaintiff, defendant or third_party; None where the item does not say what the company is in it."""
    flags = {"plaintiff": item.get("isprosecutor"), "defendant": item.get("isdefendant")}
    if any(_true(value) for value in flags.values()):
        return "defendant" if _true(flags["defendant"]) else "plaintiff"
    for role, names in (("defendant", DEBTORS), ("plaintiff", CREDITORS)):
        if any(company.known_as(_names(item.get(name))) for name in names):
            return role
    return _party_role(company, item) or ROLES.get(plain(_first(item, ROLE) or ""))


def _party_role(company, item):
    for name in PARTIES:
        for party in item.get(name) or []:
            each = plain_fields(party) if isinstance(party, dict) else {}
            inner = each.get("roleitemlist")
            if company.known_as(_names(inner if inner else [party])):
                named = [each.get("rolename"), each.get("roletype"), each.get("role")]
                return next((ROLES[plain(word)] for word in named if word and plain(word) in ROLES), None)
    return None


def _names(parties):
    """Ids and names in a list of parties, which are objects or plain names."""
    found = []
    for party in parties if isinstance(parties, list) else []:
        each = plain_fields(party) if isinstance(party, dict) else {"name": party}
        found += [each.get(name) for name in (*KEY, *NAME, *CODE)]
    return found


def _case(item):
    number = _text(_first(item, CASE))
    return number.replace("（", "(").replace("）", ")").replace(" ", "") if number else None


def _true(value):
    return plain(value) in ("1", "true", "是", "yes") if value is not None else False


def _first(fields, names):
    return next((fields[name] for name in names if not is_empty(fields.get(name)) and not isinstance(fields.get(name), (dict, list))), None)


def _text(value):
    return None if value is None else str(value).strip() or None


def _day(fields, names, where):
    name = next((name for name in names if not is_empty(fields.get(name)) and not isinstance(fields.get(name), (dict, list))), None)
    try:
        return read_day(fields.get(name)) if name else None
    except ValueError:
        raise RiskError(f"{where}: {name} {fields[name]!r} is not a date: write it as 2024-03-05.") from None
