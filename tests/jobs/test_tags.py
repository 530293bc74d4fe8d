from __future__ import annotations

import time
import uuid

from jobs.tags import new_tag


def test_a_tag_is_a_uuid_of_version_7_of_this_moment():
    before = time.time_ns() // 1_000_000
    tag = uuid.UUID(new_tag())
    assert (tag.version, tag.variant) == (7, uuid.RFC_4122)
    assert before <= tag.int >> 80 <= time.time_ns() // 1_000_000


def test_later_ones_come_later_in_an_index_and_no_two_are_alike(monkeypatch):
    tags = []
    for millisecond in range(1000, 1010):
        monkeypatch.setattr(time, "time_ns", lambda at=millisecond: at * 1_000_000)
        tags.append({new_tag() for _ in range(100)})
    assert all(len(group) == 100 for group in tags)
    assert all(max(earlier) < min(later) for earlier, later in zip(tags, tags[1:], strict=False))
