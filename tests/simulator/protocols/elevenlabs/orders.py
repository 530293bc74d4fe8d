"""What may be asked for. Fields that it does not know are passed over, as there."""

from __future__ import annotations

from typing import Any

from ..base import BadBody
from .known import MODELS, MP3, NEEDS, SAMPLED, TIERS, VOICES

SETTINGS = {"stability": (0, 1), "similarity_boost": (0, 1), "style": (0, 1)}


class Trouble(BadBody):
    """A refusal with a status and a name of its own; without a name, one of the validation: `param` says where."""

    def __init__(self, status: int, code: str, why: str, param: str = "", verdict: str = "bad request") -> None:
        super().__init__(why)
        self.status, self.code, self.param, self.verdict = status, code, param, verdict


def voice(said: dict[str, Any], form: str) -> dict[str, Any]:
    text, model = said.get("text"), said.get("model_id", "eleven_multilingual_v2")
    if not isinstance(text, str):
        raise Trouble(422, "", "field required" if text is None else "str type expected", "text")
    for name in ("model_id", "previous_text", "next_text", "language_code"):
        if not isinstance(said.get(name, ""), str):
            raise Trouble(422, "", "str type expected", name)
    if said.get("apply_text_normalization", "auto") not in ("auto", "on", "off"):
        raise Trouble(422, "", "value is not a valid enumeration member", "apply_text_normalization")
    for name in ("previous_request_ids", "next_request_ids"):
        if not isinstance(said.get(name, []), list) or len(said.get(name, [])) > 3:
            raise Trouble(422, "", "ensure this value has at most 3 items", name)
    if model not in MODELS:
        raise Trouble(400, "invalid_parameters", f"A model with ID {model} does not exist.", "model_id")
    seed = said.get("seed")
    if seed is not None and (type(seed) is not int or not 0 <= seed < 2**32):
        raise Trouble(400, "invalid_parameters", "The seed must be from 0 to 4294967295.", "seed")
    if form not in MP3 | SAMPLED:
        raise Trouble(400, "invalid_parameters", f"There is no output format {form}.", "output_format")
    _check_settings(said.get("voice_settings"))
    _check_text(said, text, model)
    return {
        "prompt": text,
        "model": model,
        "seed": seed,
        "output_format": form,
        "format": form.split("_")[0],
        "normalizes": said.get("apply_text_normalization") != "off",
    }


def _check_settings(given: Any) -> None:
    if given is None:
        return
    if not isinstance(given, dict):
        raise Trouble(422, "", "value is not a valid dict", "voice_settings")
    for name, (least, most) in SETTINGS.items():
        value = given.get(name, least)
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise Trouble(422, "", f"ensure this value is from {least} to {most}", name)
    if not 0.7 <= given.get("speed", 1) <= 1.2:
        why = "The speed is expected to be greater or equal to 0.7 and less or equal to 1.2."
        raise Trouble(400, "invalid_voice_settings", why)


def _check_text(said: dict[str, Any], text: str, model: str) -> None:
    most = MODELS[model][1]
    if not text.strip():
        raise Trouble(400, "empty_text", "The text is empty.")
    if len(text) > most:
        why = f"This request's text has {len(text)} characters and exceeds the character limit of {most} characters."
        raise Trouble(400, "text_too_long", why)
    around = ("previous_text", "next_text", "previous_request_ids", "next_request_ids")
    if model == "eleven_v3" and any(said.get(name) for name in around):
        why = "Providing previous_text or next_text is not yet supported with the 'eleven_v3' model."
        raise Trouble(400, "unsupported_model", why)


def check_plan(account: dict[str, Any], form: str, voice_id: str) -> None:
    tier = TIERS.index(account["tier"])
    if voice_id not in VOICES and voice_id not in account["voices"]:
        raise Trouble(404, "voice_not_found", f"A voice with voice_id '{voice_id}' was not found.")
    if tier == 0 and VOICES.get(voice_id, ("", "cloned"))[1] == "professional":
        why = "Free users cannot use library voices via the API. Please upgrade your subscription to use this voice."
        raise Trouble(402, "paid_plan_required", why)
    if tier < TIERS.index(NEEDS.get(form, "free")):
        why = f"Output format '{form}' is only available on the {NEEDS[form].title()} tier and above"
        raise Trouble(403, "output_format_not_allowed", why)
