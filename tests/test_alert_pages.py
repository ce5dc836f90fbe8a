"""Early warning on the portfolio page and in the committee's pack, in both languages, and left out where nothing was ever raised."""

import re
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest
from report_world import put
from test_committee_pack import SOURCE, clock, pages, section, store, world  # noqa: F401
from test_portfolio_page import PEOPLE, book_of

from models.alerts import Crossing
from models.life_cycle import load_life_cycle
from pipeline import report as stage
from pipeline.reports.committee_alerts import named_in
from pipeline.reports.portfolio_alerts import warnings_view
from pipeline.reports.text import LANGUAGES, Words
from serving import ledger
from serving.alerts import Alerts, Sighting

RULES = load_life_cycle(Path(__file__).parent.parent / "life_cycle.yaml")
FIGURES = {"raised": 40, "late": 1, "mature": 30, "defaulted": 6, "precision": 0.2, "low": 0.09, "high": 0.36, "caught": 6, "recall": 0.75,
           "recall_low": 0.4, "recall_high": 0.93, "lead_days": [60.0, 121.0, 200.0]}
FOUND = {"alerts": FIGURES, "riskiest": FIGURES | {"precision": 0.15, "recall": 0.5, "lead_days": [20.0, 90.0, 150.0]}, "defaults": 8,
         "base": {"rows": 400, "defaulted": 16, "rate": 0.04}, "kinds": [{"kind": "dispute", **FIGURES}, {"kind": "pd_jump", **FIGURES, "precision": None}],
         "horizon_days": 365, "closed": {"acted": 3, "false_alarm": 2}, "standing": {"open": 7, "overdue": 2, "snoozed": 1}}


@pytest.fixture
def portfolio(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("policy.yaml").write_text((Path(__file__).parent.parent / "policy.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    put(book_of(C1=("A", 6_000_000), C2=("E", 3_000_000)), PEOPLE)
    monkeypatch.setattr(stage, "load_params", lambda: SimpleNamespace(report=SimpleNamespace(customers=0), ingest=SimpleNamespace(threads=1)))

    def made(warnings):
        stage.write_pages(Path("pages"), "default", stage.Installation(warnings=warnings))
        return {language: Path("pages", f"index{suffix}.html").read_text(encoding="utf-8") for language, suffix in (("en", ""), ("zh", ".zh"))}

    return made


def plain(html):
    return re.sub(r"\s+", " ", re.sub("<.*?>", " ", html))


def test_the_portfolio_page_says_whether_warnings_came_true_and_how_long_before(portfolio):
    page = portfolio(FOUND)
    shown = plain(section(page["en"], "Early warning"))
    for told in ("Open alerts 10 2 past their deadline, 1 put off", "Alerts that came true 20% 9% to 36%, of 30 customers; of all customers 4.0% defaulted",
                 "Defaults with an alert before 75% 6 of 8", "Lead time 121 days from the first alert to the default, in the middle",
                 "half of them 60 days to 200 days",
                 "Watching as many customers of the highest PD instead would have come true in 15%, and named 50% of the defaults before.",
                 "Their lead time was 90 days in the middle.", "What persons made of them: acted on 3, false alarm 2.", "disputes 40 30 20% 9% – 36%",
                 "a jump of the probability of default 40 30 –"):
        assert told in shown
    assert "应验的预警 20%" in plain(section(page["zh"], "早期预警"))


def test_alerts_that_are_too_young_are_said_to_be(portfolio):
    young = FOUND | {"alerts": FIGURES | dict.fromkeys(("precision", "low", "high", "recall", "lead_days"))}
    shown = plain(section(portfolio(young)["en"], "Early warning"))
    assert "No alert is old enough to be judged" in shown
    assert "came true" not in shown


def test_without_any_alert_the_section_is_left_out(portfolio):
    assert "Early warning" not in portfolio(None)["en"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_figures_that_nothing_has_matured_for_are_left_out(language):
    words = Words(language, more=("portfolio", "alerts"))
    found = FOUND | {"alerts": FIGURES | {"recall": None, "lead_days": None}, "riskiest": FIGURES | {"precision": None}, "closed": {},
                     "base": {"rows": 0, "defaulted": 0, "rate": None}}
    view = warnings_view(found, words)
    assert (len(view["tiles"]), view["said"]) == (2, [])


def raise_alerts(store, day, *named, **changes):  # noqa: F811
    with store.database.writing() as connection:
        ledger.locked_head(connection, "alert_steps")
        seen = [Sighting(customer, Crossing("lawsuit", "watch", owner, "lawsuits", 0.0, 1.0, 1.0, "medium")) for customer, owner in named]
        return [alert_id for alert_id, _ in Alerts(store, source=SOURCE).sight(connection, RULES, seen, day)]


def test_each_department_s_open_warnings_stand_in_the_pack_overdue_ones_on_the_agenda(store, clock):  # noqa: F811
    late, _, done = raise_alerts(store, date(2024, 6, 20), ("C1", "legal"), ("C2", "sales"), ("C3", "legal"))
    alerts = Alerts(store, source=SOURCE)
    alerts.close(RULES, done, "acted", actor="lin", note="x", day=date(2024, 6, 20))
    page = pages()
    shown = section(page["en"], "Early warning")
    assert plain(shown).count("Open: 1. Past their deadline: 1. Passed on to a higher level: 0. Put off: 0.") == 2
    assert "Lawsuits of the last 90 days: 1, before 0. The threshold is 1 and calls for the state: watch-list." in shown
    assert "x" * 200 not in shown
    assert "<b>legal</b> Early warnings that nobody has dealt with by their deadline: 1." in section(page["en"], "Decisions to take")
    assert "近90天诉讼次数：1，此前为0。" in section(page["zh"], "早期预警")
    alerts.escalate(RULES, date(2024, 6, 30))
    assert "Past their deadline: 0. Passed on to a higher level: 1" in plain(section(pages()["en"], "Early warning"))
    assert late in {each.alert.id for each in alerts.listed(only_open=True)}


def test_a_pack_without_warnings_says_so_and_a_past_month_knows_of_none_later(store, clock):  # noqa: F811
    clock.now = clock.now.replace(month=8, day=5)
    raise_alerts(store, date(2024, 8, 5), ("C1", "legal"))
    assert "No early warning is open." in section(pages()["en"], "Early warning")
    assert "Open: 1." in plain(section(pages("2024-08")["en"], "Early warning"))


def test_the_pack_names_the_most_urgent_of_each_department(store):  # noqa: F811
    raise_alerts(store, date(2024, 7, 1), *((f"C{number}", "legal") for number in range(20)))
    kept = Alerts(store, source=SOURCE).all()
    assert len(named_in(kept, date(2024, 7, 1))) == 15
    assert "5 more are not listed." in section(pages()["en"], "Early warning")
