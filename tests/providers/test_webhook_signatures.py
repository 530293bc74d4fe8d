"""The first vector is the one of the libraries at https://github.com/standard-webhooks (read 2026-11-21)."""

from __future__ import annotations

import base64

import pytest

from providers.exceptions import BadSignature
from providers.webhook_signatures import standard

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + base64.b64encode(b"another key").decode()
BODY = b'{"test": 2432232314}'
AT = 1614265330
RIGHT = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
HEADERS = {"Webhook-Id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "Webhook-Timestamp": str(AT), "Webhook-Signature": RIGHT}


def verified(*, body: bytes = BODY, secrets=(SECRET,), now: float = AT, **headers: str) -> str:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return standard({**HEADERS, **named}, body, secrets, now)


def test_the_published_vector_is_right():
    assert verified() == "msg_p5jXN8AQM9LWM0D4loKWxJek"


def test_names_of_headers_may_be_written_in_any_case():
    assert standard({name.lower(): value for name, value in HEADERS.items()}, BODY, [SECRET], AT)


def test_while_secrets_change_any_signature_by_any_of_them_is_right():
    assert verified(secrets=(OTHER, SECRET), **{"Webhook-Signature": f"v1,bm9ub25l v1a,xyz {RIGHT}"})


def test_a_secret_without_prefix_is_taken_as_it_is():
    import hashlib
    import hmac

    text = f"{HEADERS['Webhook-Id']}.{AT}.".encode() + BODY
    mine = "v1," + base64.b64encode(hmac.new(b"plain words", text, hashlib.sha256).digest()).decode()
    assert verified(secrets=("plain words",), **{"Webhook-Signature": mine})


@pytest.mark.parametrize(
    "changed",
    [
        {"body": BODY + b" "},
        {"secrets": (OTHER,)},
        {"secrets": ()},
        {"Webhook-Id": "msg_other"},
        {"Webhook-Id": ""},
        {"Webhook-Signature": ""},
        {"Webhook-Signature": RIGHT.removeprefix("v1,")},
        {"Webhook-Signature": RIGHT.replace("v1,", "v2,")},
        {"Webhook-Signature": "v1,ümläut"},
        {"Webhook-Timestamp": str(AT + 1)},
        {"Webhook-Timestamp": ""},
        {"Webhook-Timestamp": "-1"},
        {"Webhook-Timestamp": "1e9"},
        {"Webhook-Timestamp": "9" * 5000},
        {"now": AT + 301},
        {"now": AT - 301},
    ],
    ids=str,
)
def test_whatever_is_changed_makes_it_wrong(changed):
    with pytest.raises(BadSignature):
        verified(**changed)


@pytest.mark.parametrize("now", [AT - 300, AT + 300])
def test_clocks_may_be_five_minutes_apart(now):
    assert verified(now=now)
