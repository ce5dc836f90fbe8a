"""Who may call an endpoint: a key with the endpoint's scope, and before there is any key only this machine."""

import asyncio
import ipaddress
import logging
import time
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from serving.keys import SCOPES, Keys, split
from serving.limits import Buckets
from serving.problems import Forbidden, TooManyRequests, Unauthenticated

log = logging.getLogger("risk.serving")

# A key that is made or revoked is known to every worker within this time.
REREAD_SECONDS = 1.0
FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
ADD_ONE = "make one with `risk keys add NAME --scope SCOPE`"


def allowed(scope):
    """What an endpoint says to be open to keys with a scope only: `@app.get(..., dependencies=[allowed("score")])`."""
    return Depends(Allowed(scope))


class Allowed(SecurityBase):
    """Refuses a request whose key is missing, wrong, or lacks a scope, before its body is read; otherwise the key is `request.state.key`, None for this machine
    while there is no key at all."""

    def __init__(self, scope):
        # A scope that no key can carry would close an endpoint for ever.
        if scope not in SCOPES:
            raise KeyError(scope)
        self.scope, self.scheme_name = scope, "key"
        self.model = HTTPBearer(description="A key of `risk keys add`.")

    async def __call__(self, request: Request):
        request.state.key = await request.app.state.service.access.admit(request, self.scope)


def scope_of(route):
    """The scope that a route of an application asks for, or None."""
    return next((each.call.scope for each in route.dependant.dependencies if isinstance(each.call, Allowed)), None)


class Access:
    """Recognises callers by a copy of the keys that is at most a second old; all of it runs in the event loop, so nothing is locked."""

    def __init__(self, store, *, clock, limits):
        """store: called for the opened Store; clock: naive UTC; limits: serving.limits.Limits."""
        self._store, self._clock, self._buckets = store, clock, Buckets(limits)
        self._keys, self._read_at, self._reading = {}, float("-inf"), None

    async def admit(self, request, scope):
        """The Key of a request, or None for this machine while there are no keys.

        Raises: Unauthenticated, Forbidden, TooManyRequests; StoreUnavailable while keys cannot be read.
        """
        known = await self._known()
        if not known:
            _require_this_machine(request)
            return None
        key = self._recognised(request, known)
        if scope not in key.scopes:
            raise Forbidden(f"The key {key.id} is not for '{scope}' but for {', '.join(key.scopes)}; use another one.", scope)
        wait = self._buckets.wait(key.id)
        if wait:
            raise TooManyRequests(f"The key {key.id} sent more requests than it may; wait {wait} s.", wait)
        return key

    def say_who_may_call(self):
        """Write to the log, at the start, that there is no key yet. Raises: StoreUnavailable."""
        if not Keys(self._store()).all():
            log.warning("There is no key yet, so only this machine is answered; %s before others call.", ADD_ONE)

    def _recognised(self, request, known):
        key_id, secret = split(_token(request))
        key = known.get(key_id)
        if key is None or not key.matches(secret):
            tried = "with an unknown key" if key is None else f"with a wrong secret of key {key.id}"
            raise Unauthenticated("The key is not known here; check that it was copied whole.", tried)
        refused = key.refused(self._clock().date())
        if refused:
            raise Unauthenticated(f"The key {key.id} {refused}; ask for a new one.", f"with key {key.id}, which {refused}")
        return key

    async def _known(self):
        """{id: Key}. Read again from half a second on while requests go on with the copy, and waited for from a second on."""
        age = time.monotonic() - self._read_at
        if age >= REREAD_SECONDS / 2 and self._reading is None:
            self._reading = asyncio.ensure_future(self._reread())
            # What nobody waits for must not be called an exception never looked at: the next request reads again, and waits.
            self._reading.add_done_callback(lambda done: done.cancelled() or done.exception())
        if age >= REREAD_SECONDS:
            await asyncio.shield(self._reading)
        return self._keys

    async def _reread(self):
        began = time.monotonic()
        try:
            # The loop's own threads: those that answer may all be busy.
            found = await asyncio.to_thread(lambda: Keys(self._store()).all())
            self._keys, self._read_at = {key.id: key for key in found}, began
        finally:
            self._reading = None


def _token(request):
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token.strip():
        raise Unauthenticated("A key is needed: send it as 'Authorization: Bearer <key>'.", "without a key")
    return token.strip()


def _require_this_machine(request):
    """A proxy on this machine would make its callers look like ours, and so would a page in a browser here: neither counts as this machine."""
    origin = request.headers.get("origin")
    hosts = [request.client and request.client.host, _host(f"//{request.headers.get('host', '')}"), *([] if origin is None else [_host(origin)])]
    if any(name in request.headers for name in FORWARDED) or not all(map(_is_local, hosts)):
        raise Unauthenticated(f"There is no key yet, so only this machine is answered, directly; {ADD_ONE}.", "from elsewhere while there is no key")


def _host(url):
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _is_local(host):
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
