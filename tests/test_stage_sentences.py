"""The sentences that stages write: each is a message of the catalogue, is found again with its values, and is said in Chinese."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest
from test_drift import judged, normals, reference
from test_retrain import BENT, BROKE, FELL, FINE, OFF, evidence

from models import data_quality, drift, gate, retrain
from models.sample import USED
from pipeline.account_rules import RULES as ACCOUNTS
from pipeline.cast_reasons import REASONS
from pipeline.findings import FORMS, FUTURE, LATER
from pipeline.reports.dossier_parts import stated
from pipeline.reports.stage_sentences import EXAMPLES, PARTS, PLACEHOLDER, RULES, SENTENCES, Message, kind_of, message_of, retold
from pipeline.reports.text import Words
from pipeline.source_conflicts import _BACK, _CURRENCIES, _SOURCES, _TWICE
from pipeline.sources._simulated_folder import describe
from pipeline.sources.simulated import Settings
from serving.translations import STAGES, find, told

ROOT = Path(__file__).parent.parent
# Modules all of whose wording, but for errors and docstrings, is such sentences.
WHOLE = ("models/gate.py", "models/gate_effect.py", "models/gate_fairness.py", "pipeline/gate.py", "models/retrain.py", "models/sample.py",
         "models/protocols.py", "models/sufficiency.py", "models/drift.py", "models/data_quality.py", "models/unit_slips.py", "pipeline/decide.py",
         "pipeline/feed.py", "pipeline/monitor.py", "pipeline/source.py")
# Modules of which the meanings of findings are.
FINDINGS = ("pipeline/findings.py", "pipeline/unit_findings.py", "pipeline/files.py", "pipeline/thousands_points.py", "pipeline/account_checks.py")
SAID = {"number": "1,234.5", "day": "2024-05-31", "month": "2024-05", "column": "stmt_equity_ratio", "columns": "stmt_equity_ratio, inv_days_late_max_30d",
        "table": "invoices", "sample": "out_of_time", "own": "region", "owns": "region, kind", "field": "amount", "text": "C17"}
SLIPPED = ("invoices: 12% of the amounts in amount of 2024-03 are about 100 times the same customers' usual ones, as in another unit or currency: "
           "bring them to minor units.")
SEVERAL = r"[a-z']+(?: [a-z']+){2,}"


@pytest.fixture
def chinese():
    return Words("zh", more=("dossier", "explanation"))


def filled(message_id):
    """A sentence of the message, with a value of its kind in every placeholder."""
    return PLACEHOLDER.sub(lambda found: part(kind_of(found[1])), told(message_id, language="en", domain=STAGES))


def part(kind):
    return filled(PARTS[kind][-1]) if kind in PARTS else SAID[kind]


@pytest.mark.parametrize(("message_id", "ids"), [(each, ids) for ids in (SENTENCES, RULES, EXAMPLES) for each in ids])
def test_a_sentence_is_found_again_and_told_in_chinese(message_id, ids, chinese):
    found = message_of(filled(message_id), ids)
    assert found.id == message_id
    assert {name: value for name, value in found.values.items() if kind_of(name) not in PARTS} == \
        {name: SAID[kind_of(name)] for name in found.values if kind_of(name) not in PARTS}
    said = retold(found, chinese)
    assert not re.search(rf"{SEVERAL}|[{{}}]", said.replace("C17", ""))
    assert re.search("[\u4e00-\u9fff]", said)


def test_what_a_sentence_says_keeps_its_figures_and_names_its_columns(chinese):
    sentence = "slope 1.07 (0.39 to 1.75), offset -0.25, ECE 0.0123 against 0.0110"
    assert retold(message_of(sentence), chinese) == "斜率 1.07（0.39 至 1.75），偏移 −0.25，ECE 0.0123，在用模型为 0.0110"
    sentence = "54 directed columns swept, 1 break their direction: stmt_equity_ratio"
    assert retold(message_of(sentence), chinese) == "检查了 54 个有方向的字段，1 个违反方向：权益比率"
    sentence = "records are faulty, so nothing is learned from them: nothing new in invoices since 2024-03-31"
    assert retold(message_of(sentence), chinese) == "记录有误，因此不从中学习：数据表“发票”自2024年3月31日以来没有新记录"


def test_a_list_of_samples_is_told_one_by_one(chinese):
    lacking = "validation has 40 rows, 0 bad, out_of_time has 0 rows, 0 bad"
    found = message_of(filled("split.short").replace(part("lacking"), lacking))
    assert [each.values["rows"] for each in found.values["lacking"]] == ["40", "0"]
    assert "验证样本 40 行，坏样本 0 行、检验样本 0 行，坏样本 0 行" in retold(found, chinese)
    assert all(chinese.named("sample", name) != name for name in USED)


def test_several_findings_on_groups_are_told_one_by_one(chinese):
    sentence = ("groups of region differ in the share accepted by +0.031 more than under the champion (+0.021 to +0.041); groups of kind differ in the share "
                "accepted of those who turned out alike by +0.050 more than under the champion (+0.030 to +0.070); too small to judge: 2 of region, 1 of kind")
    said = retold(message_of(sentence), chinese)
    assert said.split("；")[2] == f"过小而不作判断：“{chinese.named('own', 'region')}”中 2 个群体、“{chinese.named('own', 'kind')}”中 1 个群体"
    assert "在结果相同者的接受率上的差异比在用模型大 +0.050（+0.030 至 +0.070）" in said


def test_a_text_of_an_author_is_no_message_and_is_marked_as_english(chinese):
    assert message_of("line items of the annual reports") is None
    assert stated(chinese, "line items & more") == '<span lang="en">line items &amp; more</span>'
    assert stated(Words("en"), "line items & more") == "line items & more"


def test_what_is_no_part_makes_no_message():
    assert message_of("drift is none; no loss of ranking or calibration on matured cohorts") == \
        Message("retrain.calm", {"severity": Message("severity.none", {}), "evidence": Message("evidence.calm", {})})
    assert message_of("drift is huge; no loss of ranking or calibration on matured cohorts") is None


def wording(path):
    """The constant texts of a module, of its f-strings the parts, without docstrings and what is raised."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    raised = {id(each) for node in ast.walk(tree) if isinstance(node, ast.Raise) for each in ast.walk(node)}
    documented = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in raised | documented]


def known(texts, ids):
    """Those texts of several words that stand in no English message and are no rule's name."""
    messages = [told(each, language="en", domain=STAGES) for each in (*ids, *(each for several in PARTS.values() for each in several))]
    return [text for text in texts if re.search(SEVERAL, text) and not any(text.strip(" ;") in message for message in messages)
            and message_of(text, RULES) is None]


@pytest.mark.parametrize("path", WHOLE)
def test_all_wording_of_a_module_stands_in_the_catalogue(path):
    assert known(wording(path), SENTENCES) == [], "give the sentence a message in pipeline/reports/stage_sentences.py and words in stages.po"


def calls(path, names):
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names]


def texts(node):
    return [each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str)]


@pytest.mark.parametrize("path", FINDINGS)
def test_the_meanings_of_findings_stand_in_the_catalogue(path):
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    assigned = [node.value for node in ast.walk(tree) if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "meaning"]
    keyed = [value for node in ast.walk(tree) if isinstance(node, ast.Dict) for key, value in zip(node.keys, node.values, strict=True)
             if getattr(key, "value", "") == "meaning"]
    given = [call.args[4] for call in calls(path, ("finding", "_finding")) if len(call.args) == 6]
    assert assigned + keyed + given != []
    assert known([text for node in (*assigned, *keyed, *given) for text in texts(node)], SENTENCES) == []


def test_the_names_of_rules_stand_in_the_catalogue():
    named = [text for call in calls("pipeline/contract_rules.py", ("literal",)) for text in texts(call)]
    assert len(named) > 5
    assert [text for text in named if not any(text.strip() in told(each, language="en", domain=STAGES) for each in RULES)] == []


@pytest.mark.parametrize("meaning", [*(rule.meaning for rule in ACCOUNTS), FUTURE[0], LATER[0],
                                     *(each["meaning"] for each in (_BACK, _CURRENCIES, _SOURCES, _TWICE)),
                                     *(meaning.format(owner="invoices", table="payments") for _, _, meaning, _ in FORMS)])
def test_the_meaning_of_a_declared_finding_is_a_message(meaning):
    assert message_of(meaning) is not None


@pytest.mark.parametrize("settings", [Settings(), Settings(scenario="recession")])
def test_what_the_simulator_says_of_its_files_is_a_message(settings):
    assert message_of(describe(settings)).id.startswith("source.folder")


@pytest.mark.parametrize(("kind", "words"), sorted({(kind, words) for kind, reasons in REASONS.items() for _, words in reasons}))
def test_every_reason_why_a_text_is_not_of_its_type_is_told(kind, words, chinese):
    assert not re.search("[a-z]{3}", retold(message_of(f"amount is not a {kind}: {words}", RULES), chinese).replace("amount", "").replace("Excel", ""))


def test_every_action_and_every_part_has_words_in_both_languages():
    assert {each.partition(".")[2] for each in PARTS["action"]} == set(retrain.ACTIONS) - {"none"}
    assert all(find(each, language=language, domain=STAGES) for ids in PARTS.values() for each in ids for language in ("en", "zh"))


def line(**changes):
    return {"slope": 1.0, "slope_low": 0.8, "slope_high": 1.2, "offset": 0.1, "offset_low": -0.1, "offset_high": 0.3} | changes


def candidate(**changes):
    return {"discrimination": {"auc": 0.8, "low": 0.75}, "probability": {"line": line(), "ece": 0.01}} | changes


@pytest.mark.parametrize("given", [
    {}, {"moved": -0.4}, {"champion": candidate(), "comparison": {"difference": 0.01, "low": -0.02, "high": 0.04}}, {"champion": candidate()},
    {"audit": [{"column": "stmt_equity_ratio", "rows": 9, "violations": 1}]}, {"stability": {"verdict": "severe"}}])
def test_whatever_the_gate_says_is_a_message(given):
    said = gate.decide(candidate(), margins=gate.Margins(), **given)["reasons"]
    assert [each["detail"] for each in said if message_of(each["detail"]) is None] == []


@pytest.mark.parametrize("given", [
    {}, {"drift": "severe", "recent": FINE}, {"drift": None, "recent": None}, {"faults": ("nothing new in invoices since 2024-03-31", SLIPPED)},
    {"recent": FELL}, {"recent": BROKE}, {"recent": FELL, "refits_failed": 1}, {"recent": OFF, "new_bad": 3}, {"recent": BENT}, {"age_days": 2000},
    {"recent": None, "drift": "severe", "expected_auc": (0.6, 0.65)}])
def test_whatever_asks_for_retraining_is_a_message(given):
    found = retrain.decide(evidence(**given), thresholds=retrain.Thresholds())
    assert found["reasons"] != []
    assert [each for each in (*found["reasons"], *found["attention"]) if message_of(each) is None] == []


@pytest.mark.parametrize(("moved", "given"), [
    ({}, {}), ({"a": 0.6}, {}), ({"a": 0.6, "score": 0.6}, {}), ({"a": -2.0, "b": 2.0}, {}), ({}, {"faulty": ("c",)}), ({"a": 0.6}, {"dates": 1})])
def test_whatever_is_said_of_drift_is_a_message(moved, given):
    known = reference(normals(2000, seed=1), score="score", dates=given.pop("dates", 4))
    said = judged(known, normals(500, seed=2, **moved), **given)["sentences"]
    assert [each for each in said if message_of(each) is None] == []


def test_a_column_that_goes_missing_or_has_a_new_level_is_told(chinese):
    missing = {"kind": "missing", "missing_current": 0.4, "missing_reference": 0.05, "column": "inv_days_late_max_30d", "weight": 0.123}
    new = {"kind": "new_level", "unseen_current": 0.2, "unseen_reference": 0.01, "column": "score", "weight": 1.0}
    said = [retold(message_of(drift._moved_sentence(each | {"kind": kind}, "score")), chinese)
            for each, kind in ((missing, drift.MISSING), (new, drift.NEW))]
    assert said == ["“近30天最长逾期天数”缺失的行占 40.0%，原为 5.0%；占模型所用信息的 12.3%。", "评分有 20.0% 的行取罕见或新的取值，预期为 1.0%。"]


def test_a_fault_of_the_data_is_told_in_chinese_and_found_within_a_reason(chinese):
    assert retold(message_of(SLIPPED), chinese) == \
        "“发票”：2024年3月的 amount 中12% 的金额约为同一客户通常金额的 100 倍，像是其他单位或币种：请换算为最小货币单位。"
    reason = f"records are faulty, so nothing is learned from them: {SLIPPED}"
    assert retold(message_of(reason), chinese) == f"记录有误，因此不从中学习：{retold(message_of(SLIPPED), chinese)}"


@pytest.mark.parametrize("sentence", [
    "invoices: nothing became known in the 3 months to 2024-03, where 1,200 rows are usual: deliver them.",
    "payments: only 20 rows became known in 2024-03, where 1,200 are usual: find out whether a part was not delivered.",
    "payments: 2,400 rows became known in 2024-03, where 1,200 are usual: find out whether a part came twice, or another system was added.",
    "outcomes: 12 of 90 happened before the day from which the company was a customer: correct their dates, or their ids.",
    "invoices: 12 rows have issued_at in the future and were set aside: a clock runs ahead, correct it.",
    "outcomes: 12 rows have known_at before occurred_at and were set aside: correct their dates.",
    "invoices: all amounts in amount of 2024-03 are about 1/100 of the same customers' usual ones, as in another unit or currency: bring them to minor units.",
    "payments: 40 rows came twice with their ids, most of them of 2024-03, and were kept once: take one of the two deliveries out.",
])
def test_every_kind_of_fault_is_a_message(sentence, chinese):
    assert not re.search(SEVERAL, retold(message_of(sentence), chinese))


def test_what_the_feeds_own_judges_say_is_a_message():
    rules = data_quality.FeedRules()
    rows = np.full(40, 1000.0)
    filled, few, again = (np.append(rows[:-1], last) for last in (400.0, 100.0, 0.0))
    found = [*data_quality.volume_faults("payments", 24000, few, rules), *data_quality.volume_faults("payments", 24000, again, rules),
             *data_quality.missing_faults("invoices", "amount", 24000, rows, filled, rules),
             *data_quality.missing_faults("invoices", "amount", 24000, rows, again, rules),
             *data_quality.missing_faults("invoices", "amount", 24000, rows, again, rules, looks_like=lambda month: "total"),
             *data_quality.repeated_faults("payments", 24000, rows, rows - filled, rules, earlier=False),
             *data_quality.share_faults("statements", 24000, rows, rows - filled, rules)]
    assert len(found) == 7
    assert [each.sentence for each in found if message_of(each.sentence) is None] == []
