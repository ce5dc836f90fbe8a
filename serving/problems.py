"""Errors as a caller gets them: application/problem+json (RFC 9457), one answer with every wrong field."""

import logging
from http import HTTPStatus

import msgspec
from fastapi import Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from features.errors import RiskError
from serving.current import NothingToServe
from serving.database import StoreUnavailable
from serving.inbound import MAX_FAULTS, Fault, Refused
from serving.incoming import Conflict, Gone, Overtaken
from serving.published import PublicationDamaged

log = logging.getLogger("risk.serving")


class Unknown(RiskError):
    """What was asked for is not there."""


class TooLarge(RiskError):
    """More was sent than is read."""


# The most particular class first: a RiskError of none of these is about what the caller sent.
STATUS = (
    *((Unknown, 404), (Conflict, 409), (Gone, 410), (TooLarge, 413), (Refused, 422)),
    *((Overtaken, 503), (StoreUnavailable, 503), (NothingToServe, 503), (PublicationDamaged, 503), (RiskError, 422)),
)


def problem(status, detail, **more):
    """A response of that status whose body says what went wrong in one sentence, with any further members."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **more}
    return Response(msgspec.json.encode(body), status_code=status, media_type="application/problem+json")


def install(app):
    """Answer every exception of an application with a problem."""
    app.add_exception_handler(RiskError, _risk_error)
    app.add_exception_handler(RequestValidationError, _wrong_parameters)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)


async def _risk_error(request, error):
    status = next(status for kind, status in STATUS if isinstance(error, kind))
    if status >= 500:
        log.error("%s %s refused: %s", request.method, request.url.path, error)
    faults = getattr(error, "faults", [])
    more = {"errors": [{"pointer": f.path, "expected": f.expected, "got": f.got} for f in faults[:MAX_FAULTS]]} if faults else {}
    return problem(status, str(error), **more)


async def _wrong_parameters(request, error):
    faults = [Fault("/" + "/".join(str(part) for part in each["loc"]), each["msg"], repr(each.get("input"))[:80]) for each in error.errors()]
    return await _risk_error(request, Refused(faults))


async def _http_error(request, error):
    return problem(error.status_code, str(error.detail))


async def _unexpected(request, error):
    log.exception("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem(500, "The service failed on this request and recorded no answer; its log has the cause.")
