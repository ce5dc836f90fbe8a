"""Bodies of requests and answers as JSON, and the key by which a request is known again."""

import asyncio
from dataclasses import dataclass
from typing import Annotated

import msgspec
from fastapi import Header, Request, Response
from starlette.requests import ClientDisconnect

from serving import inbound, problems, repeats

MAX_BODY_BYTES = 5_000_000
KEY = (
    f"A key of the caller's choice, such as a UUID in double quotes. The same request under the same key gets the first answer, byte for byte, and is recorded "
    f"once, for {repeats.RETENTION.total_seconds() / 3600:.0f} hours; another request under it is refused."
)


@dataclass(frozen=True)
class Sent:
    """A request as it was sent: its JSON object, and the Claim of one that names a key, otherwise None."""

    body: dict
    claim: repeats.Claim | None


async def read_body(request: Request):
    """The request's JSON object. Raises Refused, TooLarge, TooSlow, CallerGone."""
    return inbound.decode(await _content(request))


async def read_sent(
    request: Request, idempotency_key: Annotated[str | None, Header(alias="Idempotency-Key", description=KEY)] = None,
):
    """The Sent of a request that may name a key. Raises MalformedKey, and what `read_body` does."""
    content, key = await _content(request), getattr(request.state, "key", None)
    body, headers = inbound.decode(content), request.headers.getlist("idempotency-key")
    return Sent(body, repeats.claim(headers, caller="" if key is None else key.id, path=request.url.path, body=content))


async def _content(request):
    """The request's bytes; a body beyond the limit of size or time is not read to its end."""
    seconds = request.app.state.service.settings.limits.body_seconds
    try:
        async with asyncio.timeout(seconds):
            return await _read(request)
    except TimeoutError:
        raise problems.TooSlow(f"The request's body did not arrive within {seconds:g} seconds; send it whole.") from None
    except ClientDisconnect:
        raise problems.CallerGone("The connection was closed before the body had arrived.") from None


async def _read(request):
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > MAX_BODY_BYTES:
            raise problems.TooLarge(f"The request's body is larger than {MAX_BODY_BYTES:,} bytes; send fewer rows.")
    return bytes(content)


def json_answer(body, *, status=200):
    """A response of a body that JSON can carry."""
    return Response(msgspec.json.encode(body), status_code=status, media_type="application/json")
