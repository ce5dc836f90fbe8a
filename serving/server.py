"""The application under uvicorn: one process or several workers, stopped without dropping what is being answered."""

import ctypes
import os
import socket
import sys
import tempfile
from contextlib import contextmanager, suppress

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from features.errors import RiskError
from serving import logs
from serving.app import create_app
from serving.metrics import FOLDER
from serving.settings import Settings

# What is being answered when the service is told to stop has this long to end; systemd and compose wait a little longer.
GRACE_SECONDS = 20
# Longer than a reverse proxy usually keeps an idle connection (60 s), so that it is never us who closes one that it just chose.
KEEP_ALIVE_SECONDS = 75
# Whether the system spreads connections over sockets that share a port.
SPREADS = sys.platform == "linux"
# Of glibc's malloc.h.
M_ARENA_MAX = -8


def run(settings, *, host, port, workers=1):
    """Serve until SIGTERM or SIGINT; every worker is a process of its own and reads its Settings from the environment that this one leaves.

    Raises RiskError for an address that cannot be served on.
    """
    os.environ.update(settings.to_environment())
    config = uvicorn.Config(
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
    with _figures_of_all(workers), _reserved(host, port) as kept, suppress(KeyboardInterrupt):
        if workers > 1:
            Multiprocess(config, sockets=[OwnSocket(kept) if SPREADS else kept]).run()
            return
        server = uvicorn.Server(config)
        server.run(sockets=[_bound(*OwnSocket(kept).place) if SPREADS else kept])
        if not server.started:
            sys.exit(STARTUP_FAILURE)


class OwnSocket:
    """What a worker process gets in the place of a shared socket: one of its own on the same port. Of a shared one the first worker to wake up takes all the
    connections that came at once; between sockets of their own the system spreads them."""

    def __init__(self, kept):
        """kept: a bound socket of this process, which does not listen."""
        self.place = kept.family, kept.getsockname()

    def __reduce__(self):
        return _bound, self.place


@contextmanager
def _reserved(host, port):
    """A bound socket on a port that nobody else has. Where ports can be shared it only keeps the port, and does not listen.

    Raises RiskError for one that is taken or cannot be had.
    """
    try:
        places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, *_, address = min(places, key=lambda place: place[0] != socket.AF_INET)
        # Alone first: of sockets that may share a port, none notices another service on it; one that keeps a port and does not reuse its address is noticed.
        with _bound(family, address, shared=False) as alone:
            address = alone.getsockname()
        kept = _bound(family, address, reused=not SPREADS)
    except OSError as error:
        raise RiskError(f"{host}:{port} cannot be served on ({error.strerror or error}); end what uses it, or name another with --host and --port.") from error
    with kept:
        yield kept


def _bound(family, address, *, shared=SPREADS, reused=True):
    found = socket.socket(family)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reused)
    if shared:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    found.bind(address)
    return found


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
    _share_memory()
    return create_app(Settings.from_environment())


def _share_memory():
    """Let threads share two arenas of memory: by default each gets one (glibc) and keeps in it what it ever needed, though they take turns."""
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)
