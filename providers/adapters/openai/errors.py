"""What went wrong, by `error.code`, then `error.type`, then the text; a status alone says too little.

https://developers.openai.com/api/docs/guides/error-codes (read 2026-11-21). An end of the money may be a 429 or, beside
pictures, a 400.
"""

from __future__ import annotations

from typing import Any

from ...base import HttpAnswer, retry_after
from ...exceptions import CallError, OutOfCredit, RateLimited, Rejected, Unauthorised

MONEY = {
    "insufficient_quota": "OpenAI says that the account's credit or its limit is used up.",
    "credit_balance_exhausted": "OpenAI says that the credit is used up.",
    "organization_spend_limit_exceeded": "OpenAI says that the organisation's spending limit is reached.",
    "project_spend_limit_exceeded": "OpenAI says that the project's spending limit is reached.",
    "organization_usage_limit_exceeded": "OpenAI says that the organisation's usage limit is reached.",
    "billing_hard_limit_reached": "OpenAI says that the account's billing limit is reached.",
}
DECLINED = {
    "moderation_blocked",
    "content_policy_violation",
    "image_content_policy_violation",
    "bio_policy",
    "misalignment_policy_violation",
    "content_filter",  # of Azure
}
DECLINED_WORDS = ("safety system", "usage policy", "content management policy")
HOPELESS = {
    "context_length_exceeded": "The request is longer than this model can read.",
    "string_above_max_length": "The text is longer than OpenAI takes.",
    "model_not_found": "OpenAI does not know this model, or has retired it.",
}


def named(label: str, answer: HttpAnswer) -> CallError | None:
    """None where the default table says it well enough."""
    said = answer.said(label).value
    error: Any = said.get("error") if isinstance(said, dict) else None
    code, kind, text = (_word(error, name) for name in ("code", "type", "message"))
    status, detail = answer.status_code, answer.detail
    money = MONEY.get(code) or MONEY.get(kind)
    if money and status in (400, 403, 429):
        return OutOfCredit(money, detail=detail, http_status=status)
    if status in (400, 403) and (code in DECLINED or any(words in text.lower() for words in DECLINED_WORDS)):
        return Rejected("OpenAI declined the content.", moderated=True, detail=detail, http_status=status)
    if status == 429 and "slow_down" in (code, kind):
        wait_s = retry_after(answer)
        return RateLimited("OpenAI says that requests grew too fast.", retry_after_s=wait_s, detail=detail)
    if status in (400, 404) and code in HOPELESS:
        return Rejected(HOPELESS[code], detail=detail, http_status=status)
    if status == 403:
        return Unauthorised(_why_forbidden(code, text), detail=detail, http_status=status)
    return None


def _why_forbidden(code: str, text: str) -> str:
    if "verif" in text.lower():
        return "OpenAI wants the organisation verified before it uses this model."
    if code == "unsupported_country_region_territory":
        return "OpenAI does not serve the country that this machine is in."
    return "OpenAI does not let this key use the model."


def _word(error: Any, name: str) -> str:
    value = error.get(name) if isinstance(error, dict) else None
    return value if isinstance(value, str) else ""
