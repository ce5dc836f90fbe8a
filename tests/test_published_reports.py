"""Finished reports: published with the book, served by customer and language, and nothing else of the disk."""

import pytest
from serving_world import BOOK_AS_OF, NOW, SOURCE, local_client, published

from features.errors import RiskError
from serving.app import create_app
from serving.published import Published, folder_of
from serving.published_reports import PORTFOLIO, REPORTS, Reports, write_reports
from serving.report_access import ReportAccess
from serving.settings import Settings
from serving.store import Store

PAGES = [
    (PORTFOLIO, "en", "<!doctype html><p>Portfolio"),
    (PORTFOLIO, "zh", "<!doctype html><p>组合"),
    ("C1", "en", "<!doctype html><p>Report on C1"),
    ("C1", "zh", "<!doctype html><p>关于C1的报告"),
    ("海州/纺织 ..", "zh", "<!doctype html><p>海州"),
    ("../../risk.db", "en", "<!doctype html><p>a name is no path"),
]


@pytest.fixture
def client(tmp_path):
    publish_with(tmp_path, PAGES)
    with client_of(tmp_path) as opened:
        yield opened


def publish_with(var, pages, **parts):
    """A publication with pages."""
    return published(var, reports=iter(pages), **parts)


def client_of(var):
    return local_client(create_app(Settings(SOURCE, ("default",), var, var / "risk.db"), clock=lambda: NOW))


def read(client, path="/v1/reports/C1", **asked):
    return client.get(path, params={"purpose": "yearly review", **asked})


def test_a_report_is_served_in_the_language_asked_for(client):
    answer = read(client, language="zh")
    assert (answer.status_code, answer.text, answer.headers["content-language"]) == (200, "<!doctype html><p>关于C1的报告", "zh")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert read(client, "/v1/reports").text == "<!doctype html><p>Portfolio"


def test_who_reads_a_page_and_why_is_on_record_before_it_is_shown(client, tmp_path):
    assert client.get("/v1/reports/C1").status_code == 422
    read(client, language="zh")
    read(client, "/v1/reports/C2")
    assert client.get("/v1/reports").status_code == 422
    read(client, "/v1/reports")
    with Store(tmp_path / "risk.db") as store:
        assert [(each.customer_id, each.report, each.purpose) for each in ReportAccess(store).all()] == [
            ("C1", "customer/zh", "yearly review"), (PORTFOLIO, "portfolio/en", "yearly review")]


@pytest.mark.parametrize(("accepted", "language"), [("zh-CN,zh;q=0.9", "zh"), ("fr, en", "en"), ("fr", "en")])
def test_without_a_language_the_callers_own_is_taken(client, accepted, language):
    assert client.get("/v1/reports/C1?purpose=x", headers={"Accept-Language": accepted}).headers["content-language"] == language


def test_a_page_that_was_not_published_is_not_found_and_says_why(client):
    answer = read(client, "/v1/reports/C2")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert answer.json()["detail"].startswith(f"With the book of {BOOK_AS_OF} a report on 'C2' in en is not published; `risk run` writes reports on as many")


def test_without_any_reports_it_says_so(tmp_path):
    published(tmp_path)
    with client_of(tmp_path) as client:
        for path in ("/v1/reports", "/v1/reports/C1"):
            answer = read(client, path)
            assert answer.status_code == 404
            assert f"With the book of {BOOK_AS_OF} no reports are published" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["../../risk.db", "..%2F..%2Frisk.db", "%2e%2e/%2e%2e/risk.db", "..%5c..%5crisk.db", "/etc/passwd", "%00", "' or 1=1 --"])
def test_a_name_is_never_a_path(client, tmp_path, path):
    (tmp_path / "risk.db").touch()
    answer = client.get(f"/v1/reports/{path}?purpose=x")
    assert answer.status_code in (404, 422)
    assert b"SQLite" not in answer.content


def test_an_unknown_language_is_refused(client):
    answer = read(client, language="fr")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/query/language")


def test_pages_of_any_name_are_read_back(tmp_path):
    digest, count = write_reports(tmp_path, iter(PAGES))
    found = Reports(tmp_path)
    assert [found.find(customer, language).decode() for customer, language, _ in PAGES] == [page for *_, page in PAGES]
    assert (count, found.find("C1", "fr")) == (len(PAGES), None)
    assert write_reports(tmp_path, iter(PAGES))[0] == digest != write_reports(tmp_path, iter(PAGES[:-1]))[0]


def test_a_page_given_twice_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(RiskError, match="The report on C1 in en is there twice; publish one page each"):
        write_reports(tmp_path, [PAGES[2], PAGES[2]])
    assert list(tmp_path.iterdir()) == []


def test_pages_that_come_later_or_anew_are_served(tmp_path):
    published(tmp_path)
    with client_of(tmp_path) as client:
        assert read(client).status_code == 404
        publish_with(tmp_path, PAGES)
        assert read(client).text == "<!doctype html><p>Report on C1"
        publish_with(tmp_path, [("C1", "en", "anew")])
        assert read(client).text == "anew"


def test_open_reports_outlive_their_successors(tmp_path):
    publish_with(tmp_path, PAGES)
    opened = Published.open(tmp_path, SOURCE, "default")
    assert opened.report("C1", "en") == b"<!doctype html><p>Report on C1"
    for day in range(3, 6):
        publish_with(tmp_path, [(PORTFOLIO, "en", f"page {day}")], as_of=f"2026-03-0{day}T00:00:00")
    assert not opened.folder.exists()
    assert opened.report("C1", "en") == b"<!doctype html><p>Report on C1"
    assert Published.open(tmp_path, SOURCE, "default").report(PORTFOLIO, "en") == b"page 5"


def test_damaged_reports_are_named(client, tmp_path):
    (folder_of(tmp_path, SOURCE, "default") / Published.open(tmp_path, SOURCE, "default").hash / REPORTS).write_bytes(b"broken" * 1000)
    answer = read(client)
    assert answer.status_code == 503
    assert "reports.sqlite cannot be read" in answer.json()["detail"]
