"""What went wrong. `detail` is an object, a list or a text, and names the trouble in `code`, in `status`, or in both.

https://elevenlabs.io/docs/eleven-api/resources/errors (read 2026-11-21). `status` is the older name, and need not hold
the same word as `code`: a call too many is concurrent_limit_exceeded in one, too_many_concurrent_requests in the other.
Used up credits come with 401, as a wrong key does. No error is documented for content that is declined.
"""

from __future__ import annotations

import re
from typing import Any

from ...base import HttpAnswer, retry_after
from ...exceptions import CallError, OutOfCredit, RateLimited, Rejected, Unauthorised

NO_CREDIT = {"quota_exceeded", "insufficient_credits"}
CREDITS = re.compile(r"You have (\d+) credits? remaining, while (\d+) credits? are required")
TOO_MANY = {"concurrent_limit_exceeded", "too_many_concurrent_requests"}
TOO_FAST = {"rate_limit_exceeded", "system_busy"}
# Formats: https://github.com/ENTERPILOT/GoModel/pull/787 (2026-08-27), voices: dograh-hq/dograh/issues/290 (2026-05-29)
HIGHER_PLAN = {
    "paid_plan_required",
    "output_format_not_allowed",
    "subscription_required",
    "feature_not_available",
    "voice_access_denied",
    "model_access_denied",
}
HOPELESS = {
    "text_too_long": "The narration is longer than this model of ElevenLabs' reads at once.",
    "max_character_limit_exceeded": "The narration is longer than this model of ElevenLabs' reads at once.",
    "empty_text": "There is nothing to say in this narration.",
    "voice_not_found": "ElevenLabs does not know this voice, or has taken it back.",
    "invalid_voice_id": "ElevenLabs does not know this voice.",
    "model_not_found": "ElevenLabs does not know this model, or has retired it.",
    "unsupported_model": "This model of ElevenLabs' cannot do what was asked for.",
}
ACCOUNT = {
    "detected_unusual_activity": "ElevenLabs has shut this account out for unusual activity.",
    "missing_permissions": "ElevenLabs says that the key may not be used for this.",
    "insufficient_permissions": "ElevenLabs says that the key may not be used for this.",
    "workspace_not_found": "ElevenLabs was sent no key that it knows.",
}


def named(answer: HttpAnswer) -> CallError | None:
    """None where the default table says it well enough."""
    status, detail = answer.status_code, answer.detail
    if status >= 500 or status in (408, 409):
        return None
    words, text, field = _told(answer)
    if words & NO_CREDIT:
        return OutOfCredit(_what_is_left(text), detail=detail, http_status=status)
    if status == 429 or words & (TOO_MANY | TOO_FAST):
        message = "ElevenLabs asks us to slow down."
        if words & TOO_MANY:
            message = "ElevenLabs' plan allows no more calls at once."
        elif "system_busy" in words:
            message = "ElevenLabs has too much to do."
        return RateLimited(message, retry_after_s=retry_after(answer), detail=detail, http_status=status)
    if words & HIGHER_PLAN or any(word.startswith("only_for_") for word in words) or "library voices" in text:
        message = "ElevenLabs sells this voice, model or format only with a higher plan."
        return Rejected(message, detail=detail, http_status=status)
    for word in words:
        if word in HOPELESS:
            return Rejected(HOPELESS[word], detail=detail, http_status=status)
        if word in ACCOUNT:
            return Unauthorised(ACCOUNT[word], detail=detail, http_status=status)
    if field and status in (400, 422):
        return Rejected(f"ElevenLabs refused the request, because of “{field}”.", detail=detail, http_status=status)
    return None


def _told(answer: HttpAnswer) -> tuple[set[str], str, str]:
    """(what it is named, the text with it, the field that is meant)."""
    body = answer.said("").value
    detail = body.get("detail") if isinstance(body, dict) else None
    if isinstance(detail, list) and detail and isinstance(detail[0], dict):
        place = detail[0].get("loc")
        return set(), _text(detail[0].get("msg")), _text(place[-1] if isinstance(place, list) and place else "")
    if isinstance(detail, dict):
        words = {_text(detail.get(name)) for name in ("code", "status")} - {""}
        return words, _text(detail.get("message")), _text(detail.get("param"))
    return set(), _text(detail), ""


def _text(value: Any) -> str:
    return value[:500] if isinstance(value, str) else ""


def _what_is_left(text: str) -> str:
    if numbers := CREDITS.search(text):
        return f"ElevenLabs has {int(numbers[1]):,} credits left, and {int(numbers[2]):,} are needed."
    return "ElevenLabs says that the credits are used up."
