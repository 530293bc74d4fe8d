"""Settings that would lose work or money if they disagreed; `manage.py check` and every start look at them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register

from jobs.engine import failpoints
from providers import registry


@register(Tags.compatibility)
def deadlines_fit(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """A call must end before django-q2 ends the process that makes it."""
    problems: list[CheckMessage] = []
    for slug, adapter in registry.all_adapters().items():
        longest = max((adapter.deadline_of(capability) for capability in adapter.capabilities), default=0.0)
        if longest > settings.LONGEST_CALL_S:
            problems.append(
                Error(
                    f"{slug} may take {longest:g} s for a call, and LONGEST_CALL_S is {settings.LONGEST_CALL_S} s.",
                    hint="Lower the adapter's deadline_s, or raise LONGEST_CALL_S in the settings.",
                    id="jobs.E001",
                )
            )
    return problems


@register(Tags.compatibility)
def clusters_fit(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    clusters = {settings.Q_CLUSTER["name"]: settings.Q_CLUSTER, **settings.Q_CLUSTER["ALT_CLUSTERS"]}
    problems: list[CheckMessage] = []
    if set(clusters) != set(settings.ROLES):
        problems.append(Error("Q_CLUSTER names other clusters than ROLES.", id="jobs.E002"))
    least = settings.DRIVE_SLICE_S + settings.LONGEST_CALL_S
    for name, cluster in clusters.items():
        if not least < cluster["timeout"] < cluster["retry"]:
            problems.append(
                Error(
                    f"Cluster {name}: its timeout must be above {least} s (a slice and the longest call), "
                    f"and its retry above its timeout.",
                    hint="Derive both from DRIVE_SLICE_S and LONGEST_CALL_S, as the settings do.",
                    id="jobs.E003",
                )
            )
        if cluster["workers"] < 2:
            problems.append(Error(f"Cluster {name} needs 2 workers: a drive's successor overlaps it.", id="jobs.E004"))
    return problems


@register(Tags.database)
def sqlite_can_be_shared(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Pages, drives and the queue write to one file: without these options each finds it locked by another."""
    database = settings.DATABASES["default"]
    if not database["ENGINE"].endswith("sqlite3"):
        return []
    options = database.get("OPTIONS", {})
    wrong = [
        wanted
        for is_right, wanted in (
            (options.get("transaction_mode") == "IMMEDIATE", "transaction_mode to IMMEDIATE"),
            ("journal_mode=wal" in str(options.get("init_command")).lower(), "journal_mode=WAL in init_command"),
            (float(options.get("timeout") or 0) >= 5, "timeout to 5 s or more"),
        )
        if not is_right
    ]
    hint = f"Set {', '.join(wrong)} in the OPTIONS of the database, as the settings do."
    return [Error("Several processes cannot share this SQLite database.", hint=hint, id="jobs.E007")] if wrong else []


@register(Tags.files)
def folders_can_be_written(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    folders = (settings.DATA_DIR, settings.MEDIA_ROOT, settings.WORK_ROOT, settings.LOCK_ROOT)
    return [
        Error(f"The folder {folder} cannot be written.", hint="Make it writable or set VIDBATCH_DATA.", id="jobs.E005")
        for folder in folders
        if not os.access(folder, os.W_OK | os.X_OK)
    ]


@register(Tags.security, deploy=True)
def nothing_disturbs_on_purpose(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    if not os.environ.get(failpoints.VARIABLE):
        return []
    hint = f"Unset {failpoints.VARIABLE}: it is for tests, and makes processes kill themselves."
    return [Error("The engine is told to disturb itself at its failpoints.", hint=hint, id="jobs.E006")]
