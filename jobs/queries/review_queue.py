"""What the review pages ask: the queue in its order, and one file with all that helps to decide about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Count, F, Q, QuerySet
from django.http import QueryDict

from jobs import review
from jobs.models import Asset, Review, StyleReference
from jobs.queries.workbench import Slot, Workbench, sorted_checks, workbench
from jobs.states import Verdict
from qc.measure.script import read_script
from qc.models import CheckResult
from qc.types import ScriptFacts

TABS = {"waiting": "Waiting", "approved": "Approved", "sent_back": "Sent back"}
SORTS = {"oldest": "Oldest first", "worst": "Worst check first"}
KINDS = [(kind.value, kind.label) for kind in Asset.Kind if kind.value not in ("srt", "vtt", "poster")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """Which files, in which order; travels in the address from page to page."""

    tab: str = "waiting"
    kind: str = ""
    project: str = ""
    sort: str = "oldest"

    @classmethod
    def of(cls, asked: QueryDict) -> Queue:
        tab, kind, project, sort = (asked.get(name, "") for name in ("tab", "kind", "project", "sort"))
        return cls(
            tab=tab if tab in TABS else "waiting",
            kind=kind if kind in dict(KINDS) else "",
            project=project if project.isdecimal() and len(project) < 10 else "",
            sort=sort if sort in SORTS else "oldest",
        )

    @property
    def query(self) -> str:
        chosen = {"kind": self.kind, "project": self.project, "sort": self.sort if self.sort != "oldest" else ""}
        words = urlencode({name: value for name, value in chosen.items() if value})
        return f"?{words}" if words else ""

    def files(self, user: AbstractBaseUser | AnonymousUser) -> QuerySet[Asset]:
        files = Asset.objects.for_user(user)
        if self.tab == "waiting":
            files = files.waiting_for_review()
        else:
            verdict = Verdict.APPROVED if self.tab == "approved" else Verdict.SENT_BACK
            decided = Review.objects.filter(undone_at=None, verdict=verdict)
            files = files.filter(verdict=verdict, pk__in=decided.values("asset"))
        if self.kind:
            files = files.filter(kind=self.kind)
        if self.project:
            files = files.filter(video__batch__project=int(self.project))
        if self.tab != "waiting":
            return files.order_by("-pk")
        if self.sort == "worst":
            failed = Count("inspection__results", filter=Q(inspection__results__status="failed"))
            return files.alias(failed=failed).order_by(F("failed").desc(), "pk")
        return files.order_by("pk")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    asset: Asset
    picture: Asset | None  # a voice has none of its own: its scene's image
    worst: CheckResult | None
    failed: int
    decided: Review | None
    taken_by: str  # who is reviewing it just now


def tiles(files: list[Asset], *, viewer: AbstractBaseUser | AnonymousUser, now: datetime) -> list[Tile]:
    """For one page of the queue; three queries, however many files."""
    scenes = {asset.scene_id for asset in files if asset.scene_id and not asset.thumbnail}
    pictures = {asset.scene_id: asset for asset in Asset.objects.filter(scene__in=scenes, kind="image", current=True)}
    decided = {
        each.asset_id: each
        for each in Review.objects.filter(asset__in=files, undone_at=None).select_related("by").order_by("pk")
    }
    made = []
    for asset in files:
        results = sorted_checks(asset)
        failed = sum(1 for result in results if result.status == "failed")
        own = asset if asset.thumbnail or asset.media_type.startswith("image/") else None
        made.append(
            Tile(
                asset=asset,
                picture=own or pictures.get(asset.scene_id),
                worst=results[0] if failed else None,
                failed=failed,
                decided=decided.get(asset.pk),
                taken_by=taken_by(asset, viewer, now),
            )
        )
    return made


def taken_by(asset: Asset, viewer: AbstractBaseUser | AnonymousUser, now: datetime) -> str:
    busy = asset.reviewing_until is not None and asset.reviewing_until > now
    return str(asset.reviewing_by) if busy and asset.reviewing_by_id != viewer.pk else ""


def page_of(files: QuerySet[Asset]) -> QuerySet[Asset]:
    related = ("video__batch__project", "scene", "reviewing_by", "inspection")
    return files.select_related(*related).prefetch_related("inspection__results")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One file in front of a reviewer."""

    asset: Asset
    bench: Workbench
    slot: Slot | None
    results: list[CheckResult]
    place: int  # in the queue, from 1; 0: it waits no longer
    count: int
    previous: int | None
    following: int | None
    reference: StyleReference | None
    decided: Review | None
    script: ScriptFacts | None
    fps: int
    picture: Asset | None  # to look at while a voice plays
    preload: Asset | None  # the file that comes up next, where it has a picture

    @property
    def about_micro(self) -> int:
        return self.slot.about_micro if self.slot else 0

    @property
    def made_again(self) -> str:
        kind = self.asset.get_kind_display().lower()
        return f"{kind} of scene {self.asset.scene.position}" if self.asset.scene else f"the {kind}"


def item(asset: Asset, queue: Queue, user: AbstractBaseUser | AnonymousUser) -> Item:
    ids = list(queue.files(user).values_list("pk", flat=True))
    place = ids.index(asset.pk) if asset.pk in ids else -1
    bench = workbench(asset.video, asset.scene_id)
    following = _following(ids, place)
    image = bench.here.slots["image"].best if bench.here else None
    slots = [bench.script, bench.render, *bench.moderation, *(s for v in bench.scenes for s in v.slots.values())]
    return Item(
        asset=asset,
        bench=bench,
        slot=next((s for s in slots if any(v.asset.pk == asset.pk for v in s.versions)), None),
        results=sorted_checks(asset),
        place=place + 1,
        count=len(ids),
        previous=ids[place - 1] if place > 0 else None,
        following=following,
        reference=asset.video.batch.project.references.first() if asset.kind in ("image", "clip", "render") else None,
        decided=asset.reviews.filter(undone_at=None).select_related("by").last(),
        script=_script(asset),
        fps=asset.video.effective_settings().fps,
        picture=image.asset if image else None,
        preload=_picture(following) if following else None,
    )


def _picture(pk: int) -> Asset | None:
    return Asset.objects.select_related("video", "scene").filter(pk=pk, kind=Asset.Kind.IMAGE).first()


def _following(ids: list[int], place: int) -> int | None:
    if place < 0:
        return ids[0] if ids else None
    return ids[place + 1] if place + 1 < len(ids) else None


def next_after(asset: Asset, queue: Queue, user: AbstractBaseUser | AnonymousUser, now: datetime) -> int | None:
    """The one that comes up once this one is decided: the next nobody else has open, else from the start."""
    ids = list(queue.files(user).values_list("pk", flat=True))
    place = ids.index(asset.pk) if asset.pk in ids else -1
    order = [pk for pk in (*ids[place + 1 :], *ids[: max(place, 0)]) if pk != asset.pk]
    others = Asset.objects.filter(pk__in=order[:200], reviewing_until__gt=now).exclude(reviewing_by=user.pk)
    taken = set(others.values_list("pk", flat=True))
    return next((pk for pk in order if pk not in taken), order[0] if order else None)


def can_be_undone(asked: str, user: AbstractBaseUser | AnonymousUser, now: datetime) -> Review | None:
    """The decision just made, as long as its toast stands."""
    if not asked.isdecimal() or len(asked) > 15:
        return None
    since = now - timedelta(seconds=review.UNDO_S)
    recent = Review.objects.filter(pk=int(asked), by=user.pk, undone_at=None, at__gte=since)
    return recent.select_related("asset__scene").first()


def _script(asset: Asset) -> ScriptFacts | None:
    if asset.kind != Asset.Kind.SCRIPT:
        return None
    try:
        return read_script((Path(settings.MEDIA_ROOT) / asset.name).read_text("utf-8", "replace"))
    except OSError as error:
        return ScriptFacts(error=f"The script could not be read: {error.strerror}.")


def decisions_of(user: AbstractBaseUser | AnonymousUser) -> QuerySet[Review]:
    return Review.objects.filter(asset__in=Asset.objects.for_user(user)).select_related("asset__video")
