"""Bodies of requests and answers as JSON, and the key by which a request is known again."""

import asyncio
from typing import Annotated

import msgspec
from fastapi import Depends, Header, Request, Response
from starlette.requests import ClientDisconnect

from serving import inbound, problems, repeats

MAX_BODY_BYTES = 5_000_000
KEY = (
    f"A key of the caller's choice, such as a UUID in double quotes. The same request under the same key gets the first answer, byte for byte, and is recorded "
    f"once, for {repeats.RETENTION.total_seconds() / 3600:.0f} hours; another request under it is refused."
)


async def read_content(request: Request):
    """The request's bytes; a body beyond the limit of size or time is not read to its end. Raises TooLarge, TooSlow, CallerGone."""
    seconds = request.app.state.service.settings.limits.body_seconds
    try:
        async with asyncio.timeout(seconds):
            return await _content(request)
    except TimeoutError:
        raise problems.TooSlow(f"The request's body did not arrive within {seconds:g} seconds; send it whole.") from None
    except ClientDisconnect:
        raise problems.CallerGone("The connection was closed before the body had arrived.") from None


async def _content(request):
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > MAX_BODY_BYTES:
            raise problems.TooLarge(f"The request's body is larger than {MAX_BODY_BYTES:,} bytes; send fewer rows.")
    return bytes(content)


async def read_body(content: Annotated[bytes, Depends(read_content)]):
    """The request's JSON object. Raises Refused, and what `read_content` does."""
    return inbound.decode(content)


async def read_claim(
    request: Request,
    content: Annotated[bytes, Depends(read_content)],
    idempotency_key: Annotated[str | None, Header(alias="Idempotency-Key", description=KEY)] = None,
):
    """The Claim of a request that names a key, otherwise None. Raises MalformedKey."""
    key = getattr(request.state, "key", None)
    return repeats.claim(request.headers.getlist("idempotency-key"), caller="" if key is None else key.id, path=request.url.path, body=content)


def json_answer(body, *, status=200):
    """A response of a body that JSON can carry."""
    return Response(msgspec.json.encode(body), status_code=status, media_type="application/json")
