"""Finished reports as they were published: the portfolio's page, and one on a customer."""

from typing import Annotated, Literal

from fastapi import Header, Path, Query, Request, Response

from serving import openapi, openapi_examples
from serving.access import allowed
from serving.messages import LANGUAGES, language_of
from serving.problems import Unknown
from serving.published_reports import PORTFOLIO
from serving.report_access import Purpose, log_reading

# A page is whole in itself: it loads nothing, and nothing it quotes can make it.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:",
    "X-Content-Type-Options": "nosniff",
}
REPORTS = allowed("reports")
Language = Annotated[Literal[LANGUAGES] | None, Query(description="Left out: the first of Accept-Language that there are pages in, or en.")]
Accepted = Annotated[str | None, Header(alias="Accept-Language", include_in_schema=False)]

Customer = Annotated[str, Path(examples=[openapi_examples.CUSTOMER])]


def add(app, service):
    about = {"summary": "The published page on the portfolio; that it is read is logged", "tags": ["reports"], "response_class": Response}

    @app.get("/v1/reports", dependencies=[REPORTS], **about, **openapi.REPORT)
    def portfolio(request: Request, purpose: Purpose, language: Language = None, accepted: Accepted = None, use_case: str = "default"):
        language = language or language_of(accepted)
        page = _page(service.book_state(use_case).published, PORTFOLIO, language, missing="the portfolio's page")
        # It names the riskiest customers, so a reading of it is one of each of them; it is logged under nobody's name.
        log_reading(request, PORTFOLIO, report=f"portfolio/{language}", purpose=purpose)
        return page

    about = {"summary": "The published report on a customer; that it is read, by whom and why, is logged", "tags": ["reports"], "response_class": Response}

    @app.get("/v1/reports/{customer_id}", dependencies=[REPORTS], **about, **openapi.REPORT)
    def report(request: Request, customer_id: Customer, purpose: Purpose, language: Language = None, accepted: Accepted = None):
        language = language or language_of(accepted)
        page = _page(service.book_state("default").published, customer_id, language, missing=f"a report on '{customer_id}'")
        log_reading(request, customer_id, report=f"customer/{language}", purpose=purpose)
        return page


def _page(published, customer_id, language, *, missing):
    page = published.report(customer_id, language)
    if page is None:
        why = f"{missing} in {language} is not" if published.reports.there else "no reports are"
        raise Unknown(f"With the book of {published.as_of} {why} published; `risk run` writes reports on as many customers as report.customers in "
                      "params.yaml says, the riskiest first, and `risk publish` publishes them.")
    return Response(page, media_type="text/html; charset=utf-8", headers=HEADERS | {"Content-Language": language})
