"""Logs as JSON lines on standard error: time, level, logger, sentence, and whatever the call gave under `extra={"about": {...}}`."""

import logging
from datetime import UTC, datetime

import msgspec


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


# As logging.config.dictConfig takes it. Only what is ours and the server's: a library's chatter at level info would drown it.
CONFIG = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "serving.logs.JsonLines"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "loggers": {name: {"handlers": ["stderr"], "level": "INFO", "propagate": False} for name in ("risk", "uvicorn")},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
}
