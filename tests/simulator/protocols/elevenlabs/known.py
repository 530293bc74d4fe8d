"""What ElevenLabs sells, and to whom."""

from __future__ import annotations

CREDIT_MICRO = 165
MODELS = {  # name: (label, most letters, half a credit a letter)
    "eleven_v4": ("Eleven v4", 10_000, False),
    "eleven_v4_turbo": ("Eleven v4 Turbo", 10_000, False),
    "eleven_v3": ("Eleven v3", 5_000, False),
    "eleven_multilingual_v2": ("Eleven Multilingual v2", 10_000, False),
    "eleven_flash_v2_5": ("Eleven Flash v2.5", 40_000, True),
    "eleven_flash_v2": ("Eleven Flash v2", 30_000, True),
    "eleven_turbo_v2_5": ("Eleven Turbo v2.5", 40_000, True),
}
AT_ONCE = {"free": 2, "starter": 3, "creator": 5, "pro": 10, "scale": 15, "business": 15}
TIERS = list(AT_ONCE)
VOICES = {
    "JBFqnCBsd6RMkjVDRZzb": ("George", "premade"),
    "EXAVITQu4vr4xnSDxMaL": ("Sarah", "premade"),
    "onwK4e9ZLuTAKqWW03F9": ("Daniel", "premade"),
    "CwhRBWXzGAHq8TQ4Fs17": ("Roger", "premade"),
    "FGY2WhTYpPnrIDTdsKH5": ("Laura", "premade"),
    "21m00Tcm4TlvDq8ikWAM": ("Rachel", "professional"),  # of the library
}
MP3 = {"mp3_22050_32", "mp3_24000_48", *(f"mp3_44100_{kbps}" for kbps in (32, 64, 96, 128, 192))}
RATES = (8000, 16000, 22050, 24000, 32000, 44100, 48000)
SAMPLED = {f"{codec}_{rate}" for codec in ("wav", "pcm") for rate in RATES}
NEEDS = {"mp3_44100_192": "creator", **{name: "pro" for name in SAMPLED if name.endswith(("_44100", "_48000"))}}


def group_of(model: str) -> str:
    """Whose calls it is counted with."""
    return "turbo" if MODELS[model][2] else "standard"


def most_at_once(tier: str, model: str) -> int:
    return AT_ONCE[tier] * (2 if group_of(model) == "turbo" else 1)


def credits_of(text: str, model: str) -> int:
    return (len(text) + 1) // 2 if MODELS[model][2] else len(text)
