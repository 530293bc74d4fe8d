from __future__ import annotations

from copy import deepcopy

import pytest
from django.conf import settings as site

from jobs import checks
from providers import registry


def ids(messages):
    return [message.id for message in messages]


def test_the_settings_as_shipped_are_in_order():
    assert [*checks.deadlines_fit(None), *checks.clusters_fit(None), *checks.folders_can_be_written(None)] == []


def test_a_call_that_may_outlast_its_process_is_refused(settings):
    settings.LONGEST_CALL_S = 1
    assert set(ids(checks.deadlines_fit(None))) == {"jobs.E001"}
    assert len(checks.deadlines_fit(None)) == len(registry.all_adapters())


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"timeout": 10}, ["jobs.E003"]),
        ({"retry": 10}, ["jobs.E003"]),
        ({"workers": 1}, ["jobs.E004"]),
        ({"name": "other"}, ["jobs.E002"]),
    ],
)
def test_a_cluster_that_would_end_or_repeat_a_drive_is_refused(settings, change, expected):
    settings.Q_CLUSTER = {**deepcopy(site.Q_CLUSTER), **change}
    assert ids(checks.clusters_fit(None)) == expected


def test_a_folder_that_cannot_be_written_is_named(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "gone"
    (message,) = checks.folders_can_be_written(None)
    assert str(tmp_path / "gone") in message.msg
