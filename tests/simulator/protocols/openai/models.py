"""Models, what they cost, and which are gone."""

from __future__ import annotations

# Millionths of a dollar for a thousand tokens: read, read from the cache, written.
TEXT = {
    "gpt-6-luna": (100, 10, 500),
    "gpt-5.6-luna": (200, 20, 1200),
    "gpt-6.1-terra": (1000, 50, 5000),
    "gpt-6.1-sol": (2000, 100, 10_000),
    "gpt-6-sol": (2000, 200, 10_000),
    "gpt-4.1": (2000, 500, 8000),
    "gpt-4o-mini": (150, 75, 600),
}
IMAGE = {
    "gpt-image-2": (5000, 8000, 30_000),  # text, picture, written
    "gpt-image-2.5-flare": (5000, 8000, 30_000),
    "gpt-image-2.5-sunburst": (5000, 8000, 30_000),
    "gpt-image-1.5": (5000, 8000, 32_000),
}
LETTERS = {"tts-1": 15, "tts-1-hd": 30}  # for each character
SPEECH = {"gpt-4o-mini-tts": (600, 12_000)}
MODERATION = ("omni-moderation-latest", "omni-moderation-2024-09-26")
ENDS = {
    "gpt-4.1": "2027-01-14",
    "gpt-4o-mini": "2027-01-14",
    "gpt-image-1.5": "2026-12-01",
    "tts-1": "2027-01-06",
    "tts-1-hd": "2027-01-06",
    "gpt-4o-mini-tts": "2027-01-06",
}
ALL = (*TEXT, *IMAGE, *LETTERS, *SPEECH, *MODERATION)
LOCAL = "llama3.2:3b"  # as a server of one's own has it

# -- pictures: tokens of one, by its shape --
TOKENS = {
    "low": {"square": 272, "upright": 408, "wide": 400},
    "medium": {"square": 1056, "upright": 1584, "wide": 1568},
    "high": {"square": 4160, "upright": 6240, "wide": 6208},
}
TOKENS_A_SECOND = 20  # of sound


def thinks(model: str) -> bool:
    return model.startswith(("gpt-5", "gpt-6", "o3"))


def picture_tokens(quality: str, width: int, height: int) -> int:
    shape = "square" if width == height else "wide" if width > height else "upright"
    return TOKENS.get(quality, TOKENS["high"])[shape]
