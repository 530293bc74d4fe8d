"""Whether this machine can draw a text, asked of fontconfig before anything is encoded."""

from __future__ import annotations

import shutil
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from .errors import MediaError
from .sandbox import run

FONT_TIMEOUT_S = 20.0
SIGNS_ASKED = 400
CJK, OTHER = "fonts-noto-cjk", "fonts-noto-core"

# Start of the Unicode name of a sign: (language of fontconfig, its name, Debian's package).
SCRIPTS = {
    "LATIN": ("en", "Latin script", "fonts-dejavu-core"),
    "GREEK": ("el", "Greek", "fonts-dejavu-core"),
    "CYRILLIC": ("ru", "Cyrillic script", "fonts-dejavu-core"),
    "HIRAGANA": ("ja", "Japanese", CJK),
    "KATAKANA": ("ja", "Japanese", CJK),
    "HANGUL": ("ko", "Korean", CJK),
    "CJK": ("zh-cn", "Chinese", CJK),
    "ARABIC": ("ar", "Arabic", OTHER),
    "HEBREW": ("he", "Hebrew", OTHER),
    "DEVANAGARI": ("hi", "Hindi", OTHER),
    "BENGALI": ("bn", "Bengali", OTHER),
    "GURMUKHI": ("pa", "Punjabi", OTHER),
    "GUJARATI": ("gu", "Gujarati", OTHER),
    "TAMIL": ("ta", "Tamil", OTHER),
    "TELUGU": ("te", "Telugu", OTHER),
    "KANNADA": ("kn", "Kannada", OTHER),
    "MALAYALAM": ("ml", "Malayalam", OTHER),
    "SINHALA": ("si", "Sinhala", OTHER),
    "THAI": ("th", "Thai", OTHER),
    "LAO": ("lo", "Lao", OTHER),
    "MYANMAR": ("my", "Burmese", OTHER),
    "KHMER": ("km", "Khmer", OTHER),
    "GEORGIAN": ("ka", "Georgian", OTHER),
    "ARMENIAN": ("hy", "Armenian", OTHER),
    "ETHIOPIC": ("am", "Amharic", OTHER),
}
SHARED_BY_CJK = {"ja": ("ja", "Japanese", CJK), "ko": ("ko", "Korean", CJK)}


class FontMissing(MediaError):
    pass


def require_fonts(text: str, *, language: str = "") -> None:
    """Raises FontMissing for the first script of the text that no installed font can draw."""
    for code, name, package in dict.fromkeys(_scripts(text, language)):
        if not has_font(code):
            raise FontMissing(
                f"No font for {name} is installed, so this text cannot be drawn into the picture. Install the "
                f"package {package} (sudo apt-get install {package}), or switch burned-in captions and overlay "
                "text off for this video."
            )


@lru_cache(maxsize=64)
def has_font(language: str) -> bool:
    """True also where fontconfig is missing (macOS): the system then chooses fonts by itself."""
    if not shutil.which("fc-list"):
        return True
    return bool(run(["fc-list", f":lang={language}", "file"], timeout_s=FONT_TIMEOUT_S).stdout.strip())


def font_file(text: str) -> Path | None:
    """The installed font that covers most of the text's signs; None lets ffmpeg choose."""
    if not shutil.which("fc-match"):
        return None
    signs = sorted({sign for sign in text if _name(sign)} | {"A"})[:SIGNS_ASKED]
    asked = " ".join(f"{ord(sign):x}" for sign in signs)
    pattern = f"sans:scalable=true:color=false:charset={asked}"
    found = run(["fc-match", "-f", "%{file}", pattern], timeout_s=FONT_TIMEOUT_S).stdout.decode("utf-8", "replace")
    return Path(found) if found else None


def _scripts(text: str, language: str) -> Iterator[tuple[str, str, str]]:
    for sign in text:
        script = _name(sign)
        # Han signs alone do not tell the language; the video's own does.
        if script == "CJK" and language[:2] in SHARED_BY_CJK:
            yield SHARED_BY_CJK[language[:2]]
        elif script in SCRIPTS:
            yield SCRIPTS[script]


def _name(sign: str) -> str:
    """The first word of the name of a letter or mark; "" for punctuation, digits and symbols."""
    if unicodedata.category(sign)[0] not in "LM":
        return ""
    return unicodedata.name(sign, "").partition(" ")[0]
