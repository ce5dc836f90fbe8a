"""How much a caller may ask for: requests by time, and seconds a request may take. The size of a body: serving.endpoints.bodies."""

import math
import time
from dataclasses import dataclass

from features.errors import RiskError

PREFIX = "CUSTOMER_RISK_"


@dataclass(frozen=True)
class Limits:
    """What one worker process grants; each can be set in the environment as CUSTOMER_RISK_<NAME>.

    requests_per_second, burst: of one key, in the long run and at once; a batch is one request. body_seconds: until a body has arrived. answer_seconds: from
    the request's head to its answer.
    """

    requests_per_second: float = 100.0
    burst: float = 200.0
    body_seconds: float = 10.0
    answer_seconds: float = 30.0

    @classmethod
    def from_environment(cls, env):
        """Limits as a mapping of names to texts sets them. Raises: RiskError for one that is no number above 0."""
        names = {name: PREFIX + name.upper() for name in cls.__dataclass_fields__}
        return cls(**{name: _positive(variable, env[variable]) for name, variable in names.items() if env.get(variable)})


class Buckets:
    """A token bucket for each key, of one worker process: full at first, a token a request, refilled as time goes by."""

    def __init__(self, limits, *, clock=time.monotonic):
        """clock: seconds."""
        self._rate, self._burst, self._clock, self._left = limits.requests_per_second, max(1.0, limits.burst), clock, {}

    def wait(self, key_id):
        """Take a token of a key: 0, or the whole seconds until there is one, when there is none now."""
        now = self._clock()
        tokens, since = self._left.get(key_id, (self._burst, now))
        tokens = min(self._burst, tokens + (now - since) * self._rate)
        self._left[key_id] = (tokens - 1 if tokens >= 1 else tokens, now)
        return 0 if tokens >= 1 else math.ceil((1 - tokens) / self._rate)


def _positive(variable, text):
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise RiskError(f"{variable} is '{text}': it must be a number above 0.")
    return value
