"""Finished reports: published with the book, served by customer and language, and nothing else of the disk."""

import pytest
from serving_world import BOOK_AS_OF, NOW, POLICY, SOURCE, bundle, catalogue, context, local_client, point_to, published
from serving_world import book as book_rows

from features.errors import RiskError
from models.bundle import save_bundle
from serving.app import create_app
from serving.published import Published, folder_of, publish
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


def publish_with(var, pages):
    save_bundle(bundle(), var / "bundles" / bundle().hash)
    parts = {"catalogue": catalogue().to_dict(), "context": context().to_rows(), "policy": POLICY}
    publish(var, book_rows("default"), source=SOURCE, use_case="default", as_of=BOOK_AS_OF, bundle=bundle().hash, reports=pages, **parts)
    point_to(var, bundle().hash)


def client_of(var):
    return local_client(create_app(Settings(SOURCE, ("default",), var, var / "risk.db"), clock=lambda: NOW), headers={"X-Purpose": "quarterly review"})


def test_a_report_is_served_in_the_language_asked_for(client):
    answer = client.get("/v1/reports/C1", params={"language": "zh"})
    assert (answer.status_code, answer.text, answer.headers["content-language"]) == (200, "<!doctype html><p>关于C1的报告", "zh")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert client.get("/v1/reports").text == "<!doctype html><p>Portfolio"


def test_a_report_is_read_for_a_purpose_and_the_reading_is_logged(client, tmp_path):
    refused = client.get("/v1/reports/C1", headers={"X-Purpose": ""})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/query/purpose")
    assert client.get("/v1/reports/C2").status_code == 404
    assert client.get("/v1/reports/C1", params={"language": "zh"}).status_code == 200
    with Store(tmp_path / "risk.db") as store:
        (reading,) = ReportAccess(store).all()
    assert (reading.customer_id, reading.report, reading.purpose) == ("C1", "customer/zh", "quarterly review")


@pytest.mark.parametrize(("accepted", "language"), [("zh-CN,zh;q=0.9", "zh"), ("fr, en", "en"), ("fr", "en")])
def test_without_a_language_the_callers_own_is_taken(client, accepted, language):
    assert client.get("/v1/reports/C1", headers={"Accept-Language": accepted}).headers["content-language"] == language


def test_a_page_that_was_not_published_is_not_found_and_says_why(client):
    answer = client.get("/v1/reports/C2")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert answer.json()["detail"].startswith(f"With the book of {BOOK_AS_OF} a report on 'C2' in en is not published; `risk run` writes reports on as many")


def test_without_any_reports_it_says_so(tmp_path):
    published(tmp_path)
    with client_of(tmp_path) as client:
        for path in ("/v1/reports", "/v1/reports/C1"):
            answer = client.get(path)
            assert answer.status_code == 404
            assert f"With the book of {BOOK_AS_OF} no reports are published" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["../../risk.db", "..%2F..%2Frisk.db", "%2e%2e/%2e%2e/risk.db", "..%5c..%5crisk.db", "/etc/passwd", "%00", "' or 1=1 --"])
def test_a_name_is_never_a_path(client, tmp_path, path):
    (tmp_path / "risk.db").touch()
    answer = client.get(f"/v1/reports/{path}")
    assert answer.status_code in (404, 422)
    assert b"SQLite" not in answer.content


def test_an_unknown_language_is_refused(client):
    answer = client.get("/v1/reports/C1", params={"language": "fr"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/query/language")


def test_pages_of_any_name_are_read_back(tmp_path):
    digest, count = write_reports(tmp_path, iter(PAGES))
    found = Reports(tmp_path / REPORTS)
    assert [found.find(customer, language).decode() for customer, language, _ in PAGES] == [page for *_, page in PAGES]
    assert (count, found.find("C1", "fr")) == (len(PAGES), None)
    assert write_reports(tmp_path, iter(PAGES))[0] == digest != write_reports(tmp_path, iter(PAGES[:-1]))[0]


def test_a_page_given_twice_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(RiskError, match="The report on C1 in en is there twice; publish one page each"):
        write_reports(tmp_path, [PAGES[2], PAGES[2]])
    assert list(tmp_path.iterdir()) == []


def test_open_reports_outlive_their_successors(tmp_path):
    publish_with(tmp_path, PAGES)
    opened = Published.open(tmp_path, SOURCE, "default")
    for number in range(3):
        publish_with(tmp_path, [(PORTFOLIO, "en", f"page {number}")])
    assert opened.report("C1", "en") == b"<!doctype html><p>Report on C1"
    assert Published.open(tmp_path, SOURCE, "default").report(PORTFOLIO, "en") == b"page 2"


def test_damaged_reports_are_named(client, tmp_path):
    home = folder_of(tmp_path, SOURCE, "default")
    path = home / Published.open(tmp_path, SOURCE, "default").hash / REPORTS
    for damage in (lambda: path.write_bytes(b"broken" * 1000), path.unlink):
        damage()
        answer = client_of(tmp_path).get("/v1/reports/C1")
        assert answer.status_code == 503
        assert "reports.sqlite cannot be read" in answer.json()["detail"]
