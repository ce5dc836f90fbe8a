"""Words: every feature, factor, route and reason is named in both languages, and values are written as a person reads them."""

import json
from importlib.resources import files

import pytest

from features.catalogue import FACTORS, USE_CASES, build_catalogue
from features.errors import RiskError
from features.tables import TABLES
from models.policy import ACTIONS, FRAUD_ACTIONS, LIMIT_BOUNDS
from models.policy_file import LETTERS, ROUTES
from models.reasons import SUB_SCORES
from serving.amounts import format_apart
from serving.messages import LANGUAGES, Said, feature_name, format_value, has_text, label, language_of, policy_reason, reason_sentence, text

COLUMNS = {name: {column.name: column.kind for column in table.columns} for name, table in TABLES.items()}
EXTRAS = {"series": {"market:business_climate": "number", "industry:industry_index": "number"}}
CATALOGUES = {use_case: build_catalogue(use_case, COLUMNS | EXTRAS) for use_case in USE_CASES}
NAMED = [
    *(f"factor.{name}" for name in FACTORS),
    *(f"sub_score.{name}" for name in SUB_SCORES),
    *(f"action.{name}" for name in (*ACTIONS, *FRAUD_ACTIONS)),
    *(f"route.{name}" for name in ROUTES),
    *(f"grade.{name}" for name in LETTERS),
    *(f"policy.limit.{name}" for name in LIMIT_BOUNDS),
    "policy.route.amount",
    "policy.route.exposure",
    "policy.route.daily_loss_budget",
    "probability.pd_12m",
]

# Kinds of words for what the categories of a simulated source hold.
LEVELS = ("transaction", "channel", "industry", "region", "ownership", "kind")


def catalogue_of(language):
    return json.loads((files("serving") / "messages" / f"{language}.json").read_text(encoding="utf-8"))


def test_every_catalogue_feature_is_named_without_a_raw_identifier():
    names = [name for catalogue in CATALOGUES.values() for name in catalogue.names]
    assert len(names) > 250
    bad = [name for name in names if "_" in feature_name(name, language="en") or "_" in feature_name(name, language="zh")]
    # 「」 marks a word of the name that the Chinese catalogue does not know.
    assert bad + [name for name in names if "「" in feature_name(name, language="zh")] == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("use_case", USE_CASES)
def test_no_two_features_of_a_catalogue_share_a_name(language, use_case):
    words = [feature_name(name, language=language) for name in CATALOGUES[use_case].names]
    assert sorted({word for word in words if words.count(word) > 1}) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_unit_of_the_catalogue_is_written_without_its_code(language):
    units = {each.unit for catalogue in CATALOGUES.values() for each in catalogue.features if each.kind == "number"}
    assert [unit for unit in units if "log" in format_value(2.0, unit, language=language)] == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("message_id", NAMED)
def test_every_named_thing_has_words(message_id, language):
    assert has_text(message_id, language=language)


def test_the_languages_have_the_same_messages():
    english, chinese = catalogue_of("en"), catalogue_of("zh")
    for part in ("messages", "levels", "stems", "phrases", "windows", "suffixes", "groups"):
        assert sorted(english[part]) == sorted(chinese[part]), part


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_service_calls_a_level_what_the_pages_call_it(language):
    folder = files("pipeline.reports") / "templates"
    pages = {key: words for name in ("", "officer.") for key, words in json.loads((folder / f"{name}{language}.json").read_text(encoding="utf-8")).items()}
    shown = {key.partition(".")[2]: words for key, words in pages.items() if key.partition(".")[0] in LEVELS}
    assert {level: words.lower() for level, words in shown.items()} == catalogue_of(language)["levels"]


@pytest.mark.parametrize(
    ("name", "english", "chinese"),
    [
        ("stmt_current_ratio", "Current ratio", "流动比率"),
        ("inv_days_late_max_180d", "Longest days late, last 180 days", "近180天最长逾期天数"),
        ("stmt_revenue_growth_12m", "Growth of revenue over 12 months", "近12个月营业收入增长率"),
        ("stmt_inventory_to_assets_change_12m", "Change in inventory to total assets over 12 months", "近12个月存货占总资产比变化"),
        ("txn_count_1h", "Number of transactions, last hour", "近1小时交易笔数"),
        ("con_due_count_730d", "Contracts due, last 2 years", "近2年到期合同数"),
        ("evt_days_since_lawsuit_1095d", "Time since the last lawsuit", "距最近一次诉讼时间"),
        ("bg_market_business_climate", "Market figure: business climate", "市场指标：商业景气"),
        ("stmt_goodwill_to_assets", "Goodwill (statements) to total assets", "「goodwill」（财务报表）占总资产比"),
        ("bg_market_value", "Market figure: value", "市场指标：「value」"),
        ("anything", "Anything", "「anything」"),
    ],
)
def test_a_feature_is_named_from_its_parts(name, english, chinese):
    assert (feature_name(name, language="en"), feature_name(name, language="zh")) == (english, chinese)


@pytest.mark.parametrize(
    ("value", "unit", "english", "chinese"),
    [
        (None, "days", "no value", "无取值"),
        (float("nan"), "ratio", "no value", "无取值"),
        (0.7071, "ratio", "0.71", "0.71"),
        (-3.0, "ratio", "-3", "-3"),
        (-0.0, "ratio", "0", "0"),
        (-0.0004, "share", "0.0%", "0.0%"),
        (12.0, "days", "12 days", "12天"),
        (0.125, "share", "12.5%", "12.5%"),
        (0.1, "quantile", "10.0%", "10.0%"),
        (123456789.0, "minor units", "1,234,568", "1,234,568"),
        (1.0, "flag", "yes", "是"),
        (0.0, "flag", "no", "否"),
        (13.815510557964274, "log currency units", "1,000,000", "1,000,000"),
        (-9.210440366976517, "signed log minor units", "-100", "-100"),
        (6.0, "weekday, Monday 0", "Sunday", "星期日"),
        ("纺织", "category", "纺织", "纺织"),
        ("wholesale", "category", "wholesale", "批发业"),
        ("supplier", "category", "supplier payment", "供应商付款"),
        ("unseen", "category", "a value not seen before", "未曾见过的取值"),
        (1e308, "log currency units", format_value(700.0, "log currency units", language="en"), format_value(700.0, "log currency units", language="zh")),
    ],
)
def test_a_value_is_written_with_its_unit(value, unit, english, chinese):
    assert (format_value(value, unit, language="en"), format_value(value, unit, language="zh")) == (english, chinese)


def said(kind, value, reference, *, fact="reason.late_payment", adverse=True, name="inv_days_late_mean_90d", unit="days"):
    return Said(fact, "payment_behaviour", adverse, kind, name, value, reference, unit)


@pytest.mark.parametrize(
    ("what", "english", "chinese"),
    [
        (
            said("typical", 11.5, 4.0),
            "The risk is raised by late payment: average days late (last 90 days) came to 11.5 days, against 4 days for a typical customer.",
            "付款逾期情况推高风险：近90天平均逾期天数为11.5天，而典型客户为4天。",
        ),
        (
            said("own_average", 1.0, 11.5, adverse=False),
            "The risk is lowered by late payment: average days late (last 90 days) came to 1 day, against 11.5 days on the customer's own longer average.",
            "付款逾期情况降低风险：近90天平均逾期天数为1天，而该客户自身的较长期平均水平为11.5天。",
        ),
        (
            said("industry", -0.02, 0.0, fact="reason.profit", name="stmt_roa", unit="ratio"),
            "The risk is raised by profit: return on assets came to -0.02, lower than for 99% of the industry.",
            "盈利推高风险：总资产收益率为-0.02，低于99%的同行业客户。",
        ),
        (
            said("industry", 0.12, 0.834, fact="reason.profit", name="stmt_roa", unit="ratio", adverse=False),
            "The risk is lowered by profit: return on assets came to 0.12, higher than for 83% of the industry.",
            "盈利降低风险：总资产收益率为0.12，高于83%的同行业客户。",
        ),
        (
            said("book", 0.12, 0.3, fact="reason.profit", name="stmt_roa", unit="share"),
            "The risk is raised by profit: return on assets came to 12.0%, lower than for 70% of all customers.",
            "盈利推高风险：总资产收益率为12.0%，低于全体客户中的70%。",
        ),
        (
            said("year_before", 1200.5, 1200.5, fact="reason.liquidity", name="stmt_current_ratio", unit="ratio"),
            "The risk is raised by liquidity: current ratio came to 1,200, as a year before.",
            "流动性推高风险：流动比率为1,200，与一年前持平。",
        ),
        (
            said("none", None, None, fact="feature.stmt_goodwill", name="stmt_goodwill_to_assets", unit="ratio"),
            "The risk is raised by payment behaviour: there is no value for goodwill (statements) to total assets "
            "(none recorded, or not computable).",
            "付款行为推高风险：「goodwill」（财务报表）占总资产比无取值（无此类记录或无法计算）。",
        ),
        (
            said("typical", "建筑", "零售", fact="reason.industry", name="bg_industry", unit="category"),
            "The risk is raised by the industry: under “industry” the record says “建筑”, against 零售 for a typical customer.",
            "所属行业推高风险：“行业”一项为“建筑”，而典型客户为零售。",
        ),
        (
            said("typical", "wholesale", "manufacturing", fact="reason.industry", name="bg_industry", unit="category"),
            "The risk is raised by the industry: under “industry” the record says “wholesale”, against manufacturing for a typical customer.",
            "所属行业推高风险：“行业”一项为“批发业”，而典型客户为制造业。",
        ),
        (
            said("none", 1.0, None, fact="reason.profit", name="stmt_loss", unit="flag"),
            "The risk is raised by profit: under “loss in the last twelve months” the record says “yes”.",
            "盈利推高风险：“最近十二个月亏损”一项为“是”。",
        ),
    ],
)
def test_a_reason_is_a_sentence(what, english, chinese):
    assert (reason_sentence(what, language="en"), reason_sentence(what, language="zh")) == (english, chinese)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("use_case", USE_CASES)
def test_every_feature_has_a_reason_in_words(use_case, language):
    for each in CATALOGUES[use_case].features:
        assert has_text(each.message_id, language=language), each.name
        assert text(each.message_id, language=language)
        value = "建筑" if each.kind == "category" else 1.0
        for adverse, kind, reference in ((True, "typical", value), (False, "typical", value), (True, "none", None), (True, "industry", 0.2)):
            for shown in (value, None):
                what = Said(each.message_id, each.factor, adverse, kind, each.name, shown, reference, each.unit)
                sentence = reason_sentence(what, language=language)
                assert not set("{}_\0") & set(sentence), sentence


@pytest.mark.parametrize(
    ("code", "english", "chinese"),
    [
        ("limit.ceiling", "The grade's ceiling bounds the limit.", "额度受该等级上限约束。"),
        ("stop.open_lawsuit", "A large lawsuit is open.", "有大额未决诉讼。"),
        ("stop.own_rule", "The policy's hard stop applies: own rule.", "触发政策硬性条件：own rule。"),
        ("stop_unknown.own_rule", "What the policy's hard stop asks for is not known: own rule.", "政策硬性条件所需信息缺失：own rule。"),
    ],
)
def test_a_policy_reason_is_worded_even_when_its_author_named_it(code, english, chinese):
    assert (policy_reason(code, language="en"), policy_reason(code, language="zh")) == (english, chinese)


@pytest.mark.parametrize(
    ("header", "language"),
    [(None, "en"), ("", "en"), ("zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("fr-FR, ZH;q=0.5", "zh"), ("en-GB", "en"), ("*", "en")],
)
def test_the_language_follows_the_header(header, language):
    assert language_of(header) == language


def test_a_users_own_route_is_shown_with_spaces():
    assert label("route", "regional_board", language="zh") == "regional board"


def test_an_unknown_message_is_refused():
    with pytest.raises(RiskError, match="message 'nowhere' has no wording in serving/messages/zh.json; add one"):
        text("nowhere", language="zh")


def test_an_unknown_language_is_refused():
    with pytest.raises(RiskError, match="no words in language 'fr'; use one of en, zh"):
        feature_name("stmt_roa", language="fr")


@pytest.mark.parametrize(("value", "english", "chinese"), [
    (0.0214, "+2.14 percentage points a year", "每年+2.14个百分点"), (-0.003, "-0.30 percentage points a year", "每年-0.30个百分点"),
    (0.0, "0 percentage points a year", "每年0个百分点"), (0.00004, "+0.004 percentage points a year", "每年+0.004个百分点")])
def test_a_trend_of_a_share_is_said_in_percentage_points(value, english, chinese):
    assert [format_value(value, "ratio per year", language=language) for language in ("en", "zh")] == [english, chinese]


@pytest.mark.parametrize(("value", "other", "unit", "written"), [
    (1.234, 1.231, "ratio", ("1.234", "1.231")), (0.12345, 0.12349, "share", ("12.345%", "12.349%")), (12.0, 14.0, "days", ("12 days", "14 days")),
    (100_000, 100_001, "minor units", ("1,000.00", "1,000.01")), (5.0, 5.0, "ratio", ("5", "5")), (1234.4, 1234.2, "count", ("1,234.4", "1,234.2")),
    (0.02141, 0.02143, "ratio per year", ("+2.141 percentage points a year", "+2.143 percentage points a year")), (None, 3.0, "days", ("no value", "3 days")),
    (1.0, 1.0 + 1e-12, "ratio", ("1.000000", "1.000000"))])
def test_values_that_differ_are_written_apart(value, other, unit, written):
    assert format_apart(value, other, unit, language="en") == written
