"""Calls that come while others are worked on are worked on together next: what is alone waits for nobody, and what comes in crowds costs less for each."""

import threading
from collections import deque


class Gathered:
    """A callable for any number of threads. One of the callers leads at a time: it takes what has been asked by then, its own first, and whoever waits longest
    leads next."""

    def __init__(self, work, *, most):
        """work: takes a list of what is asked, at least one and at most `most`, and returns for each, in order, its result or the exception to raise."""
        self._work, self._most = work, most
        self._lock, self._waiting, self._led = threading.Lock(), deque(), False

    def __call__(self, asked):
        """The result of what is asked. Raises the exception that stands in its place."""
        call = _Call(asked)
        with self._lock:
            self._waiting.append(call)
            leads, self._led = not self._led, True
        if not leads:
            call.woken.wait()
        if not call.done:
            self._lead()
        if isinstance(call.result, BaseException):
            raise call.result
        return call.result

    def _lead(self):
        with self._lock:
            calls = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
        try:
            results = [result for _, result in zip(calls, self._work([call.asked for call in calls]), strict=True)]
        except BaseException as error:  # noqa: BLE001 - nobody may wait for ever, whatever went wrong
            results = [error] * len(calls)
        with self._lock:
            follower = self._waiting[0] if self._waiting else None
            self._led = follower is not None
        for call, result in zip(calls, results, strict=True):
            call.result, call.done = result, True
            call.woken.set()
        if follower is not None:
            follower.woken.set()


class _Call:
    """Something asked: `woken` when it is done, or when it is its caller's turn to lead."""

    def __init__(self, asked):
        self.asked, self.result, self.done, self.woken = asked, None, False, threading.Event()
