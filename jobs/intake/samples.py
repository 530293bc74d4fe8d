"""The topics of the sample project, as they would be pasted from a spreadsheet."""

from __future__ import annotations

import csv

from django.conf import settings

SAMPLE_NAME = "Sample topics"


def sample_topics() -> str:
    with (settings.BASE_DIR / "docs" / "topics.csv").open(encoding="utf-8", newline="") as file:
        return "\n".join("\t".join(row) for row in csv.reader(file))
