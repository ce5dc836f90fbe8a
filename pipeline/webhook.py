"""One message to one receiver by the Standard Webhooks specification: signed, bounded in time, never redirected, and silent about its secrets."""

import os
import threading
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus

from standardwebhooks import Webhook

from features.errors import RiskError

URL, SECRET = "CUSTOMER_RISK_WEBHOOK_URL", "CUSTOMER_RISK_WEBHOOK_SECRET"


class Unsent(Exception):
    """The receiver did not take the message; `final`: it said that it never will (410 Gone)."""

    def __init__(self, why, *, final=False):
        super().__init__(why)
        self.final = final


@dataclass(frozen=True)
class Receiver:
    """Where messages go and what signs them; neither is shown, since an address may hold a token too."""

    url: str = field(repr=False)
    signers: tuple = field(repr=False)

    @property
    def host(self):
        """The receiver's name, which may be told."""
        return urllib.parse.urlsplit(self.url).hostname


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_arguments):
        # A receiver that moved is to be named anew: following it would let it choose where our messages go.
        return None


def receiver(env=os.environ):
    """The Receiver that the environment names, or None where it names none.

    Several secrets, apart by spaces, sign each message with each: that is how one is changed for another. Raises: RiskError for an address without a
    secret, one that is no http(s) address, and a secret that is not base64.
    """
    url, secrets = env.get(URL, "").strip(), env.get(SECRET, "").split()
    if not url:
        return None
    if not secrets:
        raise RiskError(f"{URL} is set and {SECRET} is not: nothing is sent unsigned; set it to whsec_ and the base64 of 24 to 64 random bytes.")
    if urllib.parse.urlsplit(url).scheme not in ("http", "https") or not urllib.parse.urlsplit(url).hostname:
        raise RiskError(f"{URL} is no http or https address: correct it.")
    try:
        return Receiver(url, tuple(Webhook(secret) for secret in secrets))
    except Exception:  # noqa: BLE001 - whatever the library says of it may quote the secret
        raise RiskError(f"{SECRET} is not whsec_ and base64: correct it.") from None


def headers(note_id, body, signers, *, moment):
    """The three headers of the specification. body: a text; moment: of this attempt, aware."""
    signatures = " ".join(signer.sign(note_id, moment, body) for signer in signers)
    return {"webhook-id": note_id, "webhook-timestamp": str(int(moment.timestamp())), "webhook-signature": signatures}


def send(to, note_id, body, *, seconds):
    """POST a JSON text once, within so many seconds over all. Raises: Unsent, with a sentence that names neither address nor secret."""
    given = {"content-type": "application/json", "user-agent": "customer-risk", **headers(note_id, body, to.signers, moment=datetime.now(UTC))}
    request = urllib.request.Request(to.url, data=body.encode(), headers=given, method="POST")
    outcome = []
    # A receiver that trickles bytes outlasts every time-out of a socket.
    attempt = threading.Thread(target=lambda: outcome.append(_attempt(request, seconds)), daemon=True)
    attempt.start()
    attempt.join(seconds)
    fault = outcome[0] if outcome else Unsent(f"no answer within {seconds:g} s")
    if fault is not None:
        raise fault


def _attempt(request, seconds):
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=seconds):
            return None
    except urllib.error.HTTPError as error:
        return Unsent(f"the receiver answered {error.code}", final=error.code == HTTPStatus.GONE)
    except (OSError, ValueError) as error:
        return Unsent(f"no connection ({type(getattr(error, 'reason', error)).__name__})")
    except Exception as error:  # noqa: BLE001 - a receiver that speaks no HTTP must not end the job
        return Unsent(f"no HTTP answer ({type(error).__name__})")
