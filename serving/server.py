"""The application under uvicorn: one process or several workers, stopped without dropping what is being answered."""

import os
import tempfile
from contextlib import contextmanager

import uvicorn

from serving import logs
from serving.app import create_app
from serving.metrics import FOLDER
from serving.settings import Settings

# What is being answered when the service is told to stop has this long to end; systemd and compose wait a little longer.
GRACE_SECONDS = 20
# Longer than a reverse proxy usually keeps an idle connection (60 s), so that it is never us who closes one that it just chose.
KEEP_ALIVE_SECONDS = 75


def run(settings, *, host, port, workers=1):
    """Serve until SIGTERM or SIGINT; every worker is a process of its own and reads its Settings from the environment that this one leaves."""
    os.environ.update(settings.to_environment())
    # Of connections that come at once a worker would take all there are, and leave none to the others (libuv).
    os.environ.setdefault("UV_TCP_SINGLE_ACCEPT", "1")
    with _figures_of_all(workers):
        uvicorn.run(
            "serving.server:application",
            factory=True,
            host=host,
            port=port,
            workers=workers,
            log_config=logs.CONFIG,
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )


@contextmanager
def _figures_of_all(workers):
    """A folder in which several workers add up their figures, for as long as they run; one that the environment names must be empty, and is left as it is."""
    if workers < 2 or os.environ.get(FOLDER):
        yield
        return
    with tempfile.TemporaryDirectory(prefix="customer-risk-figures-") as folder:
        os.environ[FOLDER] = folder
        try:
            yield
        finally:
            del os.environ[FOLDER]


def application():
    """The application of the environment's settings, as each worker makes it."""
    return create_app(Settings.from_environment())
