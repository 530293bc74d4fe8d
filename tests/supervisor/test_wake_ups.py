"""Processes of django-q2 killed at the moments at which it loses work, doubles it or falls deaf: none of it shows."""

from __future__ import annotations

import psutil
import pytest

from tests.chaos.books import assert_in_order
from tests.supervisor.installation import Installation, kill

pytestmark = [pytest.mark.slow, pytest.mark.ffmpeg]
AT_WORK = "select count(*) from jobs_step where state in ('claimed', 'fetching', 'checking')"
DRIVES = "select role, pid from jobs_worker where ended_at is null"
NOTICES = "select text from jobs_notice"
EIGHT_MORE = "from jobs.tasks import enqueue\nfor role in ('generation', 'media') * 4: enqueue(role)"


def wait_for_drives(installation: Installation, *, without: tuple[int, ...] = ()) -> dict[str, int]:
    def are_both() -> bool:
        drives = dict(installation.rows(DRIVES))
        return set(drives) == {"generation", "media"} and not set(without) & set(drives.values())

    installation.wait_until(are_both, within_s=10, what="both drives")
    return dict(installation.rows(DRIVES))


def launch_and_wait_for_work(installation: Installation) -> None:
    installation.launch()
    installation.wait_until(lambda: installation.one(AT_WORK), within_s=15, what="work")


def assert_all_is_made_once_and_nothing_said(installation: Installation) -> None:
    installation.wait_until(installation.are_all_done, within_s=90, what="the end")
    assert_in_order(installation)
    assert installation.rows(NOTICES) == [], installation.account()


@pytest.mark.parametrize("role", ["generation", "media"])
def test_a_busy_worker_that_is_killed_is_followed_within_seconds(installation, role):
    """As delivered its task runs again after `retry`, or with Redis never."""
    installation.start()
    victim = wait_for_drives(installation)[role]
    launch_and_wait_for_work(installation)
    kill(psutil.Process(victim))
    wait_for_drives(installation, without=(victim,))
    assert_all_is_made_once_and_nothing_said(installation)


def test_clusters_that_are_killed_with_wake_ups_queued_do_nothing_twice(installation):
    """As delivered 2 of 8 tasks ran twice, or with Redis none."""
    installation.start()
    victims = wait_for_drives(installation)
    launch_and_wait_for_work(installation)
    made = installation.manage("shell", "-v", "0", "-c", EIGHT_MORE)
    assert made.returncode == 0, made.stderr
    for role in victims:
        kill(installation.of_role(role)[0])
    wait_for_drives(installation, without=tuple(victims.values()))
    assert_all_is_made_once_and_nothing_said(installation)
    assert len(installation.rows(DRIVES)) == 2
