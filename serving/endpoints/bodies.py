"""Bodies of requests and answers as JSON."""

import asyncio

import msgspec
from fastapi import Request, Response
from starlette.requests import ClientDisconnect

from serving import inbound, problems

MAX_BODY_BYTES = 5_000_000


async def read_body(request: Request):
    """The request's JSON object. Raises Refused, TooLarge, TooSlow; a body beyond the limit of size or time is not read to its end."""
    seconds = request.app.state.service.settings.limits.body_seconds
    try:
        async with asyncio.timeout(seconds):
            return inbound.decode(await _content(request))
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


def json_answer(body, *, status=200):
    """A response of a body that JSON can carry."""
    return Response(msgspec.json.encode(body), status_code=status, media_type="application/json")
