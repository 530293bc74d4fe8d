"""Moderation found nothing to object to. An answer that cannot be read blocks; it does not pass."""

from __future__ import annotations

from ..types import Expectations, Limits, ModerationFacts, Result, check, judge


@check("moderation.clear", kind="moderation", reads=True)
def moderation_clear(facts: ModerationFacts, expected: Expectations, limits: Limits) -> Result:
    threshold = f"not flagged, no score of {limits.moderation_max_score:g} or more"
    if facts.error:
        return judge(False, measured="unreadable", threshold=threshold, sentence=facts.error)
    high = [(name, score) for name, score in facts.categories if score >= limits.moderation_max_score]
    named = ", ".join(f"{name} ({score:.2f})" for name, score in (high or facts.categories)[:3])
    good = not facts.flagged and not high
    return judge(
        good,
        measured=named or ("flagged" if facts.flagged else "nothing"),
        threshold=threshold,
        sentence="Moderation found nothing." if good else f"Moderation objects: {named or 'no category was named'}.",
    )
