"""How long a request may take: what is late is told so at once and writes nothing; what has begun to write is finished and answered."""

import asyncio
import threading
from contextvars import ContextVar

from features.errors import RiskError

_current = ContextVar("deadline", default=None)


class TooLate(RiskError):
    """The caller was told that the request took too long: nothing may be recorded any more."""


class Deadline:
    """One request's: either it is told to be late, or it has begun to write or to answer, never both."""

    def __init__(self):
        self._lock, self._kept, self.late = threading.Lock(), False, False

    def keep(self):
        """Whether it may be finished: from now on it is not told to be late."""
        with self._lock:
            self._kept = self._kept or not self.late
            return self._kept

    def expire(self):
        """Whether it is to be told to be late: from now on it may not be finished."""
        with self._lock:
            self.late = not self._kept
            return self.late


def begin_writing():
    """Called inside a transaction before its first row, by whatever a request does in any thread. Raises: TooLate, so that the transaction is rolled back."""
    deadline = _current.get()
    if deadline is not None and not deadline.keep():
        raise TooLate("The request took too long and was told so; nothing of it is recorded.")


def check():
    """Raises: TooLate where nobody waits for the answer any more: work that a request waited for too long to begin need not be done."""
    deadline = _current.get()
    if deadline is not None and deadline.late:
        raise TooLate("The request took too long and was told so; nothing of it is recorded.")


class TimeLimit:
    """ASGI middleware that answers in the place of a request that is late. A thread cannot be stopped: what it still finds is thrown away."""

    def __init__(self, app, *, seconds, late):
        """late: the response to a late request, itself an ASGI application."""
        self._app, self._seconds, self._late = app, seconds, late

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        deadline, told = Deadline(), []

        async def send_unless_late(message):
            # Whatever is sent begins the answer, and an answer that has begun is finished.
            if deadline.keep():
                await send(message)

        def tell():
            if deadline.expire():
                told.append(asyncio.ensure_future(self._late(scope, receive, send)))

        timer, token = asyncio.get_running_loop().call_later(self._seconds, tell), _current.set(deadline)
        try:
            await self._app(scope, receive, send_unless_late)
        finally:
            _current.reset(token)
            timer.cancel()
            await asyncio.gather(*told)
