"""SIGKILL of anything at any moment, `manage.py start` again where the supervisor died: all is finished, once."""

from __future__ import annotations

import os
import random
import time
from datetime import UTC, datetime

import psutil
import pytest

from tests.chaos.books import assert_in_order
from tests.supervisor.installation import SLACK, Installation, kill

TRIALS = int(os.environ.get("TRIALS") or os.environ.get("VIDBATCH_TRIALS") or 3)  # make kills TRIALS=10 SEED=7
SEED = int(os.environ.get("SEED") or time.time())
ROLES = ("web", "generation", "media")
LATEST_KILL_S = 5.0
GOES_ON_WITHIN_S = 10.0
ALL_DONE_WITHIN_S = 120.0
DRIVES = "select count(*) from jobs_worker where ended_at is null"


def choose(installation: Installation, chance: random.Random) -> tuple[str, list[psutil.Process]]:
    """Every kind of process has the same chance, however many there are of it."""
    supervisor = psutil.Process(installation.process.pid)
    kinds = {"supervisor": [[supervisor]], "everything": [[supervisor, *installation.tree()]]}
    for role in ROLES:
        for index, process in enumerate(installation.of_role(role)):
            kind = "its first process" if index == 0 else "one of its processes"
            kinds.setdefault(f"{role}: {kind}", []).append([process])
    kind = chance.choice(sorted(kinds))
    return kind, chance.choice(kinds[kind])


def work_moved_at(installation: Installation, since: datetime) -> datetime | None:
    """When the first step was sent or finished after that moment."""
    moment = installation.one(
        "select min(at) from (select min(sent_at) at from jobs_attempt where sent_at > ? "
        "union select min(finished_at) from jobs_step where finished_at > ?)",
        *(f"{since:%Y-%m-%d %H:%M:%S.%f}",) * 2,
    )
    return moment and datetime.fromisoformat(moment).replace(tzinfo=UTC)


def strike(installation: Installation, chance: random.Random) -> str:
    kind, victims = choose(installation, chance)
    for process in victims:
        kill(process)
    if kind in ("supervisor", "everything"):
        installation.process.wait()
        assert_work_goes_on_after_the_start(installation)
    return kind


def assert_work_goes_on_after_the_start(installation: Installation) -> None:
    was_done = installation.are_all_done()
    restarted = datetime.now(UTC)
    installation.start()
    if was_done:
        return
    installation.wait_until(
        lambda: work_moved_at(installation, restarted) or installation.are_all_done(),
        within_s=GOES_ON_WITHIN_S,
        what="any work after the restart",
    )


@pytest.mark.chaos
@pytest.mark.ffmpeg
@pytest.mark.parametrize("trial", range(TRIALS))
def test_a_batch_survives_one_kill_of_anything(installation: Installation, trial: int) -> None:
    chance = random.Random(f"{SEED} {trial}")
    installation.start()
    installation.launch()
    time.sleep(chance.uniform(0.0, LATEST_KILL_S * SLACK))
    kind = strike(installation, chance)
    print(f"seed {SEED}, trial {trial}: killed {kind}")
    installation.wait_until(installation.are_all_done, within_s=ALL_DONE_WITHIN_S, what=f"the end ({kind})")
    assert_in_order(installation)


@pytest.mark.chaos
@pytest.mark.ffmpeg
def test_one_batch_survives_five_kills(installation: Installation) -> None:
    """Of whole installations and clusters: a single worker that dies twice over one step is rightly suspected."""
    chance = random.Random(f"{SEED} five")
    installation.start()
    installation.launch()
    for _ in range(5):
        time.sleep(chance.uniform(0.5, 3.0) * SLACK)
        processes = [psutil.Process(installation.process.pid), *installation.tree()]
        for process in processes if chance.random() < 0.5 else processes[:1]:
            kill(process)
        installation.process.wait()
        assert_work_goes_on_after_the_start(installation)
    installation.wait_until(installation.are_all_done, within_s=ALL_DONE_WITHIN_S, what="the end")
    assert_in_order(installation)


@pytest.mark.chaos
@pytest.mark.ffmpeg
def test_a_cluster_made_deaf_is_replaced_and_that_is_said(installation: Installation) -> None:
    """A worker that dies while it waits takes the lock of the queue with it: nothing reaches the cluster any more."""
    installation.start()
    installation.wait_until(lambda: installation.one(DRIVES) == 2, within_s=10, what="both drives")
    busy = installation.one("select pid from jobs_worker where role = 'generation' and ended_at is null")
    (sentinel,) = psutil.Process(busy).parents()[:1]
    workers = sorted(sentinel.children(), key=lambda process: process.pid)[:2]
    (idle,) = [process for process in workers if process.pid != busy]
    kill(idle)
    kill(psutil.Process(busy))
    installation.launch()
    installation.wait_until(installation.are_all_done, within_s=ALL_DONE_WITHIN_S, what="the end")
    assert "generation cluster" in "".join(text for (text,) in installation.rows("select text from jobs_notice"))
    assert_in_order(installation)
