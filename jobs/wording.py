"""The words around a video: title, hook, description, hashtags."""

from __future__ import annotations

import re
from datetime import datetime

from jobs.advance import advance
from jobs.control import Refused
from jobs.models import Video
from jobs.transactions import atomically

MOST = {"title": 300, "hook": 1000, "description": 5000}
MOST_HASHTAGS = 30


@atomically
def edit_words(video: Video, now: datetime, *, title: str, hook: str, description: str, hashtags: str) -> None:
    texts = {"title": title.strip(), "hook": hook.strip(), "description": description.strip()}
    for name, text in texts.items():
        if len(text) > MOST[name]:
            raise Refused(f"The {name} has {len(text)} characters; {MOST[name]} is the most.")
    tags = list(dict.fromkeys(f"#{word.lstrip('#')}" for word in re.split(r"[\s,;]+", hashtags) if word.lstrip("#")))
    if len(tags) > MOST_HASHTAGS:
        raise Refused(f"There are {len(tags)} hashtags; {MOST_HASHTAGS} is the most.")
    Video.objects.filter(pk=video.pk).update(**texts, hashtags=tags)
    advance([video.pk], now)
