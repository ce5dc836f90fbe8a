"""Errors as a caller gets them: application/problem+json (RFC 9457), one answer with every wrong field."""

import logging
import traceback
from http import HTTPStatus

import msgspec
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from features.errors import RiskError
from serving.alerts import AlreadyClosed, UnknownAlert
from serving.clocks import ClockBehind
from serving.current import NothingToServe
from serving.database import StoreUnavailable
from serving.deadline import TooLate
from serving.human_reviews import UnknownCase, Waiting
from serving.inbound import MAX_FAULTS, Fault, Refused
from serving.incoming import Conflict, Gone, Overtaken
from serving.published import PublicationDamaged
from serving.repeats import AnswerErased, MalformedKey

log = logging.getLogger("risk.serving")

MAX_CAUSES = 5


BEARER = 'Bearer realm="customer-risk"'
# The rest of what is being sent is not waited for.
CLOSED = {"Connection": "close"}


class Unknown(RiskError):
    """What was asked for is not there."""


class TooLarge(RiskError):
    """More was sent than is read."""

    headers = CLOSED


class TooSlow(RiskError):
    """What was sent did not arrive in time."""

    headers = CLOSED


class CallerGone(RiskError):
    """Who asked is no longer there to be answered."""


class Unauthenticated(RiskError):
    """No key, or none that holds; `tried` says for the log what was tried, without the secret."""

    def __init__(self, sentence, tried):
        super().__init__(sentence)
        # RFC 6750, section 3: no error code where no key was sent.
        self.headers = {"WWW-Authenticate": BEARER if tried == "without a key" else f'{BEARER}, error="invalid_token"'}
        self.tried = tried


class Forbidden(RiskError):
    """A key without the scope that is needed."""

    def __init__(self, sentence, scope):
        super().__init__(sentence)
        self.headers = {"WWW-Authenticate": f'{BEARER}, error="insufficient_scope", scope="{scope}"'}
        self.tried = sentence


class TooManyRequests(RiskError):
    """A key that used up what it may ask for; seconds: until it may again."""

    def __init__(self, sentence, seconds):
        super().__init__(sentence)
        self.headers = {"Retry-After": str(seconds)}
        self.tried = sentence


# The most particular class first: a RiskError of none of these is about what the caller sent.
STATUS = (
    *((MalformedKey, 400), (CallerGone, 400), (Unauthenticated, 401), (Forbidden, 403), (Unknown, 404), (UnknownAlert, 404), (UnknownCase, 404)),
    *((TooSlow, 408), (AlreadyClosed, 409), (Waiting, 409), (Conflict, 409), (AnswerErased, 410), (Gone, 410), (TooLarge, 413), (Refused, 422)),
    *((TooManyRequests, 429), (Overtaken, 503), (StoreUnavailable, 503), (NothingToServe, 503), (PublicationDamaged, 503), (ClockBehind, 503)),
    *((TooLate, 503), (RiskError, 422)),
)


def problem(status, detail, *, headers=None, **more):
    """A response of that status whose body says what went wrong in one sentence, with any further members."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **more}
    return Response(msgspec.json.encode(body), status_code=status, media_type="application/problem+json", headers=headers)


def late(seconds):
    """The response to a request that took longer than it may."""
    sentence = f"The request took longer than {seconds:g} seconds and nothing of it was recorded; send it again, or less at once."
    return problem(503, sentence, headers={"Retry-After": "5", **CLOSED})


def install(app):
    """Answer every exception of an application with a problem."""
    app.add_exception_handler(RiskError, _risk_error)
    app.add_exception_handler(RequestValidationError, _wrong_parameters)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_middleware(_Failures)


async def _risk_error(request, error):
    status = next(status for kind, status in STATUS if isinstance(error, kind))
    faults = getattr(error, "faults", [])
    _log_refusal(request, status, error, faults)
    more = {"errors": [{"pointer": f.path, "expected": f.expected, "got": f.got} for f in faults[:MAX_FAULTS]]} if faults else {}
    return problem(status, str(error), headers=getattr(error, "headers", None), **more)


async def _wrong_parameters(request, error):
    faults = [Fault("/" + "/".join(str(part) for part in each["loc"]), each["msg"], repr(each.get("input"))[:80]) for each in error.errors()]
    return await _risk_error(request, Refused(faults))


async def _http_error(request, error):
    log.warning("%s refused with %s", where(request), error.status_code)
    return problem(error.status_code, str(error.detail))


class _Failures:
    """ASGI middleware that answers a failure of ours. An exception handler would not do: what one of class Exception has answered is raised again, and the
    server logs it with all that it quotes."""

    def __init__(self, app):
        self._app = app

    async def __call__(self, scope, receive, send):
        begun = []

        async def sending(message):
            begun.append(True)
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception as error:  # noqa: BLE001
            if scope["type"] != "http":
                raise
            log.error("%s failed: %s", where(Request(scope)), without_values(error))
            if not begun:
                await problem(500, "The service failed on this request and recorded no answer; its log has the cause.")(scope, receive, send)


# --- the log: nothing that a caller sent or a customer is called stands in it ----------------------------------------------------


def where(request):
    """A request as the log names it: method, the path as declared, pseudonyms of what stands in its place, and the caller's address."""
    route, client = request.scope.get("route"), request.client.host if request.client else "nobody"
    return f"{request.method} {route.path if route else 'of a path that is not there'}{_about(request)} from {client}"


def _about(request):
    pseudonyms = request.app.state.service.pseudonyms
    try:
        found = [f"{name} {pseudonyms.of(value)}" for name, value in request.scope.get("path_params", {}).items()]
    except RiskError as error:
        # What is asked must still be answered, and logged.
        found = [f"no pseudonym: {error}"]
    return f" ({', '.join(found)})" if found else ""


def without_values(error):
    """An exception with its causes as class and place, without messages: they quote the value that could not be handled."""
    told = []
    while error is not None and len(told) < MAX_CAUSES:
        places = [f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
        told.append("\n  ".join([type(error).__name__, *places]))
        error = error.__cause__ or error.__context__
    return "\ncaused by ".join(told)


def _log_refusal(request, status, error, faults):
    if status >= 500:
        log.error("%s refused with %s: %s", where(request), status, error)
    elif hasattr(error, "tried"):
        log.warning("%s refused with %s: %s", where(request), status, error.tried)
    else:
        # The sentence quotes what was sent.
        log.warning("%s refused with %s: %s%s", where(request), status, type(error).__name__, f", {len(faults)} wrong fields" if faults else "")
