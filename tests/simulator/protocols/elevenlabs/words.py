"""How the vendor words its answers."""

from __future__ import annotations

import string
from typing import Any

from ...books import Row
from ...replies import Reply
from .known import MODELS, VOICES, group_of
from .orders import Trouble

DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
OLD = {  # what older answers call the same
    "concurrent_limit_exceeded": (429, "too_many_concurrent_requests"),
    "text_too_long": (400, "max_character_limit_exceeded"),
    "voice_not_found": (400, "voice_not_found"),
    "unauthorized": (401, "invalid_api_key"),
    "output_format_not_allowed": (403, "only_for_creator+"),
    "paid_plan_required": (402, "payment_required"),
}
KINDS = {
    400: "validation_error",
    401: "authentication_error",
    402: "payment_required",
    403: "authorization_error",
    404: "not_found",
    429: "rate_limit_error",
}


def refusal(trouble: Trouble, number: int, *, old: bool) -> Reply:
    """In one of three shapes: a list from the validation, a text where there is no such path, else an object."""
    status, code, why = trouble.status, trouble.code, str(trouble)
    if not code:
        place = ["body", *([trouble.param] if trouble.param else [])]
        problem = {"loc": place, "msg": why, "type": "value_error.missing" if "required" in why else "value_error"}
        return Reply(status=status, body={"detail": [problem] if status == 422 else why})
    old_status, old_code = OLD.get(code, (status, code))
    if old:
        return Reply(status=old_status, body={"detail": {"status": old_code, "message": why}})
    detail = {"type": KINDS[status], "code": code, "message": why, "status": old_code}
    return Reply(status=status, body={"detail": {**detail, "request_id": f"{number:032x}", "param": trouble.param}})


def alignment(text: str, seconds: float) -> dict[str, Any]:
    """All letters take equally long."""
    moments = [round(seconds * place / len(text), 3) for place in range(len(text) + 1)]
    return {
        "characters": list(text),
        "character_start_times_seconds": moments[:-1],
        "character_end_times_seconds": moments[1:],
    }


def normalized(text: str) -> str:
    """As it is spoken."""
    return "".join(DIGITS[int(sign)] + " " if sign in string.digits else sign for sign in text)


def item(
    job: Row, order: dict[str, Any], *, made_at: int, counter: int, credits: int, media_type: str
) -> dict[str, Any]:
    name, category = VOICES.get(order["voice"], (order["voice"], "cloned"))
    return {
        "history_item_id": job["id"],
        "request_id": request_id(job["id"]),
        "voice_id": order["voice"],
        "model_id": order["model"],
        "voice_name": name,
        "voice_category": category,
        "text": order["prompt"],
        "date_unix": made_at,
        "character_count_change_from": counter,
        "character_count_change_to": counter + credits,
        "content_type": media_type,
        "state": "created",
        "settings": {"stability": 0.5, "similarity_boost": 0.75, "style": 0, "use_speaker_boost": True, "speed": 1},
        "feedback": None,
        "share_link_id": None,
        "source": "TTS",
        "dialogue": None,
    }


def request_id(item_id: str) -> str:
    """That of the item backwards; two that look alike and are not the same."""
    return item_id[::-1]


def subscription(account: dict[str, Any], *, used: int, resets_at: int) -> dict[str, Any]:
    return {
        "tier": account["tier"],
        "character_count": used,
        "character_limit": account["limit"],
        "max_character_limit_extension": None,
        "max_credit_limit_extension": account["beyond"],
        "can_extend_character_limit": True,
        "allowed_to_extend_character_limit": account["beyond"] != 0,
        "next_character_count_reset_unix": resets_at,
        "voice_slots_used": 0,
        "voice_limit": 10,
        "max_voice_add_edits": 65,
        "voice_add_edit_counter": 0,
        "can_extend_voice_limit": False,
        "professional_voice_slots_used": 0,
        "professional_voice_slots_used_in_workspace": 0,
        "professional_voice_limit": 0,
        "can_use_instant_voice_cloning": True,
        "can_use_professional_voice_cloning": False,
        "status": "active",
        "currency": "usd",
        "billing_period": "monthly_period",
        "character_refresh_period": "monthly_period",
        "current_overage": {"amount": "0", "currency": "usd"},
        "next_invoice": None,
        "open_invoices": [],
        "has_open_invoices": False,
    }


def model(name: str) -> dict[str, Any]:
    label, most, is_half = MODELS[name]
    return {
        "model_id": name,
        "name": label,
        "can_be_finetuned": False,
        "can_do_text_to_speech": True,
        "can_do_voice_conversion": False,
        "can_use_style": not is_half,
        "can_use_speaker_boost": not is_half,
        "serves_pro_voices": False,
        "token_cost_factor": 1.0,
        "description": label,
        "requires_alpha_access": False,
        "max_characters_request_free_user": most,
        "max_characters_request_subscribed_user": most,
        "maximum_text_length_per_request": most,
        "languages": [{"language_id": "en", "name": "English"}],
        "model_rates": {"character_cost_multiplier": 0.5 if is_half else 1.0},
        "concurrency_group": group_of(name),
    }


def voice(voice_id: str) -> dict[str, Any]:
    name, category = VOICES[voice_id]
    return {
        "voice_id": voice_id,
        "name": name,
        "samples": None,
        "category": category,
        "fine_tuning": None,
        "labels": {},
        "description": None,
        "preview_url": None,
        "available_for_tiers": [],
        "settings": None,
        "sharing": None,
        "high_quality_base_model_ids": [],
    }
