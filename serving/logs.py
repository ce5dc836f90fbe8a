"""Logs as JSON lines on standard error: time, level, logger, sentence, and whatever the call gave under `extra={"about": {...}}`."""

import logging
from contextvars import ContextVar
from datetime import UTC, datetime

import msgspec

log = logging.getLogger("risk.requests")

# Asked every few seconds by machines: in the log only where all is wanted.
OFTEN = frozenset({"/live", "/ready", "/metrics"})
_noted = ContextVar("noted", default=None)


class JsonLines(logging.Formatter):
    """A record as one line of JSON; a traceback stands in `trace`, so that one record stays one line."""

    def format(self, record):
        """The line, without its end."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "about", {}),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line, enc_hook=str).decode()


def begin():
    """Begin to note what the line of a request is to say beyond route, status and time; call it before the request is handled."""
    _noted.set({})


def note(**about):
    """Say something more in the line of the request that is being handled, from whatever thread handles it: never what names a customer."""
    found = _noted.get()
    if found is not None:
        found.update(about)


def requested(route, method, status, seconds):
    """Write the line of a request; route: as declared, so that no id stands in it."""
    level = logging.DEBUG if route in OFTEN else logging.INFO
    if log.isEnabledFor(level):
        about = {"route": route, "method": method, "status": status, "ms": round(1e3 * seconds, 2), **(_noted.get() or {})}
        log.log(level, "%s %s %s", method, route, status, extra={"about": about})


# As logging.config.dictConfig takes it. Only what is ours and the server's: a library's chatter at level info would drown it.
CONFIG = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "serving.logs.JsonLines"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "loggers": {name: {"handlers": ["stderr"], "level": "INFO", "propagate": False} for name in ("risk", "uvicorn")},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
}
