"""What fal.ai says went wrong: {"detail": [{"type": …, "msg": …}]} of a model, {"detail": …, "error_type": …} of the
queue. The type decides, never the text: https://fal.ai/docs/documentation/model-apis/errors (read 2026-09)"""

from __future__ import annotations

from typing import Any

MODERATED = "content_policy_violation"
REASONS = {
    MODERATED: "Pika declined the prompt or the picture",
    "no_media_generated": "Pika made nothing of this prompt and picture",
    "file_download_error": "fal.ai could not read the picture",
    "file_too_large": "The picture is too large a file for Pika",
    "image_too_small": "The picture is too small for Pika",
    "image_too_large": "The picture has too many pixels for Pika",
    "image_load_error": "Pika could not read the picture",
    "unsupported_image_format": "Pika does not take pictures of this format",
    "generation_timeout": "Pika did not get it done in time",
    "request_timeout": "fal.ai did not get it started in time",
    "startup_timeout": "fal.ai did not get it started in time",
    "downstream_service_error": "Pika's own service failed",
    "downstream_service_unavailable": "Pika's own service is not available",
    "internal_server_error": "Pika failed inside",
    "internal_error": "fal.ai failed inside",
    "client_cancelled": "It was cancelled",
    "client_disconnected": "It was cancelled",
}


def kinds_in(said: Any) -> list[str]:
    """The types that are named, the model's before the queue's."""
    if not isinstance(said, dict):
        return []
    detail = said.get("detail")
    named = [part.get("type") for part in detail if isinstance(part, dict)] if isinstance(detail, list) else []
    return [kind for kind in (*named, said.get("error_type")) if isinstance(kind, str) and kind]


def reason_for(kinds: list[str], *said: Any) -> str:
    """A sentence for people; where the type is not known, what fal.ai says itself."""
    kind = MODERATED if MODERATED in kinds else next(iter(kinds), "")
    words = REASONS.get(kind, "fal.ai could not run it" if kind.startswith("runner_") else "")
    if not words:
        words = next(filter(None, map(_text, said)), "Pika failed without a reason").strip().rstrip(".")[:200]
    return f"{words} ({kind})." if kind else f"{words}."


def _text(said: Any) -> str:
    if not isinstance(said, dict):
        return ""
    detail = said.get("detail") or said.get("error")
    if isinstance(detail, list) and detail and isinstance(detail[0], dict):
        detail = detail[0].get("msg")
    return detail if isinstance(detail, str) else ""
