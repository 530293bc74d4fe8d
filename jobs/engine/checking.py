"""Every file is measured and judged as the last phase of the step that made it."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

from django.conf import settings

from jobs.advance import advance
from jobs.models import Asset, Step, StyleReference, Video
from jobs.settings_types import BatchSettings
from jobs.stages import script as script_stage
from jobs.states import Stage, State, Verdict
from jobs.transactions import atomically
from providers.media.errors import DiskFull, ProgramMissing, Stopped
from qc import inspection
from qc.inspection import Examined
from qc.types import Expectations, Limits

from . import assets
from .failpoints import failpoint
from .requests import seconds_of
from .rows import move, still_ours, update_each

log = logging.getLogger(__name__)
PUT_OFF = timedelta(seconds=3)
JUDGED = ("width", "height", "seconds", "checked_s", "thumbnail", "verdict", "inspection_id")  # what a check tells
THUMBNAILED = {Stage.IMAGE.value, Stage.CLIP.value, Stage.RENDER.value}
KIND_OF = {Stage.TOPIC_MODERATION.value: "moderation", Stage.TEXT_MODERATION.value: "moderation"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """One of the files that a step made; mostly the only one."""

    asset_id: int
    path: Path
    media_type: str
    thumbnail: str  # a name in the media store, "" for none


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckTicket:
    """What a thread needs to look at what a step made."""

    step_id: int
    fence: int
    video_id: int
    takes: tuple[Take, ...]
    kind: str
    expected: Expectations
    limits: Limits
    profile: tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    ticket: CheckTicket
    examined: tuple[Examined, ...] = ()  # of each take; (): the examination broke, or says nothing about the files
    broke: str = ""
    put_off: str = ""  # why it is examined again later
    took_s: tuple[float, ...] = ()


def examine(ticket: CheckTicket) -> Checked:
    """In a thread: reads each file once. No exception comes out."""
    examined: list[tuple[Take, Examined, float]] = []
    broke = ""
    try:
        failpoint("mid_qc")
        for take in ticket.takes:
            began = monotonic()
            try:
                examined.append((take, _examine(ticket, take), monotonic() - began))
            except (Stopped, DiskFull, ProgramMissing):
                raise
            except Exception as error:  # of one take: the others may be good
                log.exception("step %s: its file could not be examined", ticket.step_id)
                broke = f"{type(error).__name__}: {error}"
        failpoint("after_qc")
    except (Stopped, DiskFull, ProgramMissing) as error:
        return Checked(ticket=ticket, put_off=error.message)
    except Exception as error:
        log.exception("step %s: its files could not be examined", ticket.step_id)
        return Checked(ticket=ticket, broke=f"{type(error).__name__}: {error}")
    if not examined:
        return Checked(ticket=ticket, broke=broke or "there is no file")
    seen = replace(ticket, takes=tuple(take for take, _, _ in examined))
    return Checked(
        ticket=seen, examined=tuple(one for _, one, _ in examined), took_s=tuple(took for _, _, took in examined)
    )


def _examine(ticket: CheckTicket, take: Take) -> Examined:
    return inspection.examine(
        take.path,
        kind=ticket.kind,
        media_type=take.media_type,
        expected=ticket.expected,
        limits=ticket.limits,
        thumbnail=Path(settings.MEDIA_ROOT) / take.thumbnail if take.thumbnail else None,
    )


def tickets_for(steps: Sequence[Step]) -> list[CheckTicket]:
    """Tickets for steps taken for CHECKING; a handful of queries, however many steps."""
    videos = Video.objects.select_related("batch__project__profile").in_bulk({step.video_id for step in steps})
    made: dict[int | None, list[Asset]] = defaultdict(list)
    for asset in Asset.objects.filter(step__in=steps, kind__in=Stage.values).order_by("pk"):
        made[asset.step_id].append(asset)
    for step_id, files in made.items():  # a person may have chosen one meanwhile
        made[step_id] = [file for file in files if file.verdict == Verdict.UNCHECKED] or files[-1:]
    projects = {video.batch.project_id for video in videos.values()}
    references: dict[int, tuple[str, ...]] = {}
    for project_id, sha256 in StyleReference.objects.filter(project__in=projects).values_list("project", "sha256"):
        references[project_id] = (*references.get(project_id, ()), sha256)
    tickets = []
    for step in steps:
        video = videos[step.video_id]
        project = video.batch.project
        tickets.append(
            CheckTicket(
                step_id=step.pk,
                fence=step.fence,
                video_id=step.video_id,
                takes=tuple(_take(asset, thumbnailed=step.stage in THUMBNAILED) for asset in made[step.pk]),
                kind=KIND_OF.get(step.stage, step.stage),
                expected=expected_of(step, video.effective_settings(), references.get(project.pk, ())),
                limits=project.profile.limits(),
                profile=(project.profile.name, project.profile.version),
            )
        )
    return tickets


def _take(asset: Asset, *, thumbnailed: bool) -> Take:
    return Take(
        asset_id=asset.pk,
        path=Path(settings.MEDIA_ROOT) / asset.name,
        media_type=asset.media_type,
        thumbnail=str(Path(asset.name).with_suffix(".thumb.jpg")) if thumbnailed else "",
    )


def expected_of(step: Step, s: BatchSettings, references: tuple[str, ...]) -> Expectations:
    """What the file of this step was asked to be."""
    want: dict[str, Any] = step.want
    stage = Stage(step.stage)
    if stage is Stage.SCRIPT:
        return Expectations(scenes=s.scenes, seconds=float(s.seconds), language=s.language)
    if stage is Stage.VOICEOVER:
        return Expectations(seconds=want["expected_s"], language=s.language)
    size: dict[str, Any] = {"width": want.get("width"), "height": want.get("height"), "aspect_ratio": s.aspect_ratio}
    if stage is Stage.IMAGE:
        return Expectations(**size, prompt=want["prompt"], references=references)
    if stage is Stage.CLIP:
        return Expectations(**size, seconds=seconds_of(step), fps=want["fps"], prompt=want["prompt"])
    if stage is Stage.RENDER:
        return Expectations(**size, sum_s=want["expected_s"], fps=want["extra"]["fps"])
    return Expectations()


@atomically
def settle_checks(checks: Sequence[Checked], now: datetime) -> None:
    """Verdicts, what becomes current, the scenes of a new script, and the steps that are due now."""
    locked = Video.objects.select_for_update(of=("self",)).select_related("batch").order_by("pk")
    videos = {video.pk: video for video in locked.filter(pk__in={c.ticket.video_id for c in checks})}
    ours = still_ours({c.ticket.step_id: c.ticket.fence for c in checks}, State.CHECKING)
    mine = [check for check in checks if check.ticket.step_id in ours]
    judged = []
    for check in mine:
        if check.put_off:
            _put_off(ours[check.ticket.step_id], check.put_off, now)
        elif not check.examined:
            _broke(ours[check.ticket.step_id], check, now)
        else:
            judged.append(check)
    _judge(judged, ours, videos, now)
    failpoint("mid_verdicts")
    advance({ours[check.ticket.step_id].video_id for check in mine}, now)


def _judge(checks: Sequence[Checked], ours: dict[int, Step], videos: dict[int, Video], now: datetime) -> None:
    made = Asset.objects.in_bulk([take.asset_id for check in checks for take in check.ticket.takes])
    slots = assets.Slots(made.values())
    retries = {video.pk: video.effective_settings().auto_retries for video in videos.values()}
    profiles = {check.ticket.step_id: check.ticket.profile for check in checks}
    looked = [(check.ticket.step_id, one) for check in checks for one in check.examined]
    rows = iter(inspection.record_many([(one, *profiles[step_id]) for step_id, one in looked]))
    scripts = []
    for check in checks:
        step = ours[check.ticket.step_id]
        takes = [made[take.asset_id] for take in check.ticket.takes]
        for asset, take, one, took_s in zip(takes, check.ticket.takes, check.examined, check.took_s, strict=True):
            _measured(asset, take, one, took_s)
            asset.inspection = next(rows)
        best = assets.best_of(takes, check.examined)
        passed = check.examined[takes.index(best)].passed
        verdict = assets.judge(best, passed=passed, auto_retries=retries[step.video_id])
        for asset, one in zip(takes, check.examined, strict=True):
            if asset is not best:  # it stays as a version
                asset.verdict = Verdict.PASSED if one.passed else Verdict.FAILED
        took_its_slot = verdict != Verdict.FAILED and slots.take(best)
        if took_its_slot and verdict == Verdict.PASSED and step.stage == Stage.SCRIPT:
            scripts.append((videos[step.video_id], best))
    slots.write()
    for video, asset in scripts:
        script_stage.apply(video, asset, now)
    update_each(Asset, JUDGED, [(*(getattr(asset, name) for name in JUDGED), asset.pk) for asset in made.values()])
    steps = [ours[check.ticket.step_id] for check in checks]
    move(steps, frm=State.CHECKING, to=State.DONE, finished_at=now, owner=None, lease_until=None, crash_count=0)


def _measured(asset: Asset, take: Take, examined: Examined, took_s: float) -> None:
    asset.width, asset.height = int(examined.width or 0), int(examined.height or 0)
    asset.seconds = float(examined.duration_s or 0.0)
    asset.checked_s = took_s
    if take.thumbnail and (Path(settings.MEDIA_ROOT) / take.thumbnail).exists():
        asset.thumbnail = take.thumbnail


def _put_off(step: Step, why: str, now: datetime) -> None:
    """Nothing is known of the file: it stays where it is and is looked at again."""
    Step.objects.filter(pk=step.pk, fence=step.fence, state=State.CHECKING).update(
        owner=None,
        lease_until=None,
        not_before=now + PUT_OFF,
        crash_count=max(0, step.crash_count - 1),
        message=why[:500],
    )


def _broke(step: Step, check: Checked, now: datetime) -> None:
    """The checks themselves failed on this file: it is done, unjudged, and a person looks at it."""
    for take in check.ticket.takes[:1]:
        asset = Asset.objects.get(pk=take.asset_id)
        asset.verdict = Verdict.FLAGGED
        assets.make_current(asset)
        asset.save()
    move(
        [step],
        frm=State.CHECKING,
        to=State.DONE,
        finished_at=now,
        owner=None,
        lease_until=None,
        message=f"The checks could not look at this file ({check.broke})."[:500],
    )
