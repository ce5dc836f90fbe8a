"""Bodies of requests and answers as JSON."""

import msgspec
from fastapi import Request, Response

from serving import inbound, problems

MAX_BODY_BYTES = 5_000_000


async def read_body(request: Request):
    """The request's JSON object. Raises Refused; a body beyond the limit is not read to its end."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > MAX_BODY_BYTES:
            raise problems.TooLarge(f"The request's body is larger than {MAX_BODY_BYTES:,} bytes; send fewer rows.")
    return inbound.decode(bytes(content))


def json_answer(body, *, status=200):
    """A response of a body that JSON can carry."""
    return Response(msgspec.json.encode(body), status_code=status, media_type="application/json")
