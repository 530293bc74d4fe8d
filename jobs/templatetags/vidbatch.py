"""Tags and filters of the templates: numbers in words people read, icons, bars, links of the side bar."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from django import template
from django.template.context import Context
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

NOTHING = "—"
Missing = Literal[""] | None  # a template hands a filter "" for a name it does not know
MICRO = 1_000_000

# tone → the five colours of a state; the word is what a person reads
STATES: dict[str, tuple[str, str]] = {
    "ready": ("waiting", "Waiting"),
    "waiting": ("waiting", "Waiting"),
    "planned": ("waiting", "Still to come"),
    "draft": ("waiting", "Draft"),
    "paused": ("paused", "Paused"),
    "claimed": ("running", "Starting"),
    "open": ("running", "Running"),
    "running": ("running", "Running"),
    "fetching": ("running", "Downloading"),
    "checking": ("running", "Checking"),
    "unknown": ("needs", "Answer lost"),
    "attention": ("needs", "Needs a person"),
    "decision": ("needs", "Needs a decision"),
    "flagged": ("needs", "Needs review"),
    "review": ("needs", "Needs review"),
    "gate": ("needs", "Waits for your go"),
    "rejected": ("failed", "Refused"),
    "content": ("failed", "Declined"),
    "poison": ("failed", "Failed"),
    "failed": ("failed", "Failed"),
    "sent_back": ("failed", "Sent back"),
    "done": ("done", "Done"),
    "finished": ("done", "Finished"),
    "passed": ("done", "Passed"),
    "approved": ("done", "Approved"),
    "skipped": ("waiting", "Not run"),
    "cancelled": ("waiting", "Cancelled"),
}
SEGMENTS = (
    ("done", "done"),
    ("running", "running"),
    ("failed", "failed"),
    ("needs", "needs a person"),
    ("waiting", "waiting"),
)


# -- numbers and times ---------------------------------------------------------------------------


@register.filter
def money(micro: int | Missing) -> str:
    """Micro-units of a dollar. Below a cent as many digits as it takes to show something."""
    if micro is None or isinstance(micro, str):
        return NOTHING
    sign, size = ("−" if micro < 0 else ""), abs(micro)
    if size >= 100_000 * MICRO:
        return f"{sign}${size / MICRO:,.0f}"
    if size >= 10_000 or size == 0:
        return f"{sign}${size / MICRO:,.2f}"
    return f"{sign}${size / MICRO:.6f}".rstrip("0")


@register.filter
def duration(seconds: float | Missing) -> str:
    if seconds is None or isinstance(seconds, str):
        return NOTHING
    if 0 < seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} m"


@register.filter
def clock(seconds: float | Missing) -> str:
    """A place in a video: 0:31, 1:02:09."""
    if seconds is None or isinstance(seconds, str):
        return NOTHING
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


@register.filter
def ago(moment: datetime | Missing) -> str:
    if moment is None or isinstance(moment, str):
        return NOTHING
    seconds = (timezone.now() - moment).total_seconds()
    if seconds < 0:
        return f"in {duration(-seconds)}"
    for limit, divisor, unit in ((5, 0, ""), (60, 1, "s"), (3600, 60, "min"), (86_400, 3600, "h")):
        if seconds < limit:
            return f"{int(seconds // divisor)} {unit} ago" if divisor else "just now"
    days = int(seconds // 86_400)
    return "yesterday" if days == 1 else f"{days} days ago"


@register.filter
def when(moment: datetime | Missing) -> SafeString | str:
    """A <time> that a small script rewrites to the reader's own time zone."""
    if moment is None or isinstance(moment, str):
        return NOTHING
    local = timezone.localtime(moment)
    return format_html(
        '<time datetime="{}" title="{}" data-vb-local>{}</time>',
        moment.isoformat(),
        local.strftime("%Y-%m-%d %H:%M:%S %Z"),
        local.strftime("%d %b %Y, %H:%M"),
    )


@register.filter
def short_number(number: float | Missing) -> str:
    """118200 → 118k"""
    if number is None or isinstance(number, str):
        return NOTHING
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**4, "k")):
        if abs(number) >= size:
            unit = 1000 if letter == "k" else size
            return f"{number / unit:.3g}{letter}" if number / unit < 1000 else f"{number / unit:.0f}{letter}"
    return f"{number:,.10g}"


@register.filter
def percent(part: float | Missing, whole: float | None = 1) -> str:
    return NOTHING if part is None or isinstance(part, str) or not whole else f"{100 * part / whole:.3g} %"


# -- states --------------------------------------------------------------------------------------


def _state(state: object) -> tuple[str, str]:
    name = str(getattr(state, "value", state)).lower()
    return STATES.get(name, ("waiting", name.replace("_", " ").capitalize()))


@register.filter
def state_tone(state: object) -> str:
    return _state(state)[0]


@register.filter
def state_word(state: object) -> str:
    return _state(state)[1]


@register.inclusion_tag("components/_state_chip.html")
def state_chip(state: object, word: str = "", tone: str = "") -> dict[str, str]:
    """{% state_chip step.state %} or, with own words, {% state_chip "running" "Clips 3 / 6" %}"""
    known_tone, known_word = _state(state)
    return {"tone": tone or known_tone, "word": word or known_word}


# -- pictures made of attributes (style="width:…" is forbidden by the content security policy) -----


@register.simple_tag
def icon(name: str, css: str = "") -> SafeString:
    return format_html(
        '<svg class="vb-icon {}" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        css,
        static("icons/sprite.svg"),
        name,
    )


@register.inclusion_tag("components/_segmented_bar.html")
def segmented_bar(label: str, **counts: int) -> dict[str, Any]:
    """{% segmented_bar "Images" done=564 running=40 failed=3 needs=2 waiting=111 %}"""
    shown = [(tone, words, counts.get(tone) or 0) for tone, words in SEGMENTS if counts.get(tone)]
    widths = _visible_widths([count for _tone, _words, count in shown])
    segments = [
        {"tone": tone, "x": f"{sum(widths[:place]):.3f}", "width": f"{widths[place]:.3f}"}
        for place, (tone, _words, _count) in enumerate(shown)
    ]
    said = ", ".join(f"{count} {words}" for _tone, words, count in shown) or "nothing planned yet"
    return {"segments": segments, "text": f"{label}: {said}"}


def _visible_widths(counts: list[int], least: float = 2.5) -> list[float]:
    """Shares of 100. One failure among a thousand is still a visible sliver, at the cost of the widest segment."""
    widths = [max(least, 100 * count / sum(counts)) for count in counts]
    if widths:
        widths[widths.index(max(widths))] -= sum(widths) - 100
    return widths


@register.inclusion_tag("components/_gauge.html")
def gauge(label: str, used: float, limit: float | None, unit: str, note: str = "") -> dict[str, Any]:
    """{% gauge "OpenAI · images" 47 50 "img/min" "resets in 21 s" %}; without a limit no bar is drawn."""
    share = min(100.0, 100 * used / limit) if limit else 0.0
    return {
        "label": label,
        "used": used,
        "limit": limit,
        "unit": unit,
        "note": note,
        "width": f"{share:.2f}",
        "tone": "needs" if share >= 90 else "running",
    }


# -- the side bar --------------------------------------------------------------------------------


@register.simple_tag
def nav_url(name: str) -> str:
    """A page that is not installed leaves its link without a target instead of breaking every page."""
    try:
        return reverse(name)
    except NoReverseMatch:
        return "#"


@register.inclusion_tag("components/_nav_link.html", takes_context=True)
def nav_link(context: Context, name: str, word: str, picture: str, count: int | None = None) -> dict[str, Any]:
    target = nav_url(name)
    path = getattr(context.get("request"), "path", "")
    here = path == target or (target not in ("/", "#") and path.startswith(target))
    return {"target": target, "word": word, "picture": picture, "here": here, "count": count}
