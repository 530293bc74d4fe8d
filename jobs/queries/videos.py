"""What the pages about videos ask: the list with its pictures, and rows that a person may change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Q, QuerySet

from jobs.models import Asset, Project, Scene, Step, Video


def video_page(
    user: AbstractBaseUser | AnonymousUser, *, state: str = "", project: str = "", words: str = ""
) -> QuerySet[Video]:
    videos = Video.objects.for_user(user).select_related("batch__project").order_by("-batch", "position")
    if state in Video.State.values:
        videos = videos.filter(state=state)
    if project.isdecimal() and len(project) < 10:
        videos = videos.filter(batch__project=int(project))
    if words:
        videos = videos.filter(Q(topic__icontains=words) | Q(title__icontains=words) | Q(batch__name__icontains=words))
    return videos


def projects_of(user: AbstractBaseUser | AnonymousUser) -> list[tuple[str, str]]:
    return [(str(pk), name) for pk, name in Project.objects.for_user(user).values_list("pk", "name")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    video: Video
    picture: Asset | None
    preview: Asset | None  # played under the mouse
    seconds: float


def cards(videos: Iterable[Video]) -> list[Card]:
    """With the best picture there is of each: poster, render, first image."""
    videos = list(videos)
    wanted = (Asset.Kind.POSTER, Asset.Kind.RENDER, Asset.Kind.CLIP, Asset.Kind.IMAGE)
    files: dict[int, dict[str, Asset]] = defaultdict(dict)
    for asset in Asset.objects.filter(video__in=videos, kind__in=wanted, current=True).order_by("-pk"):
        files[asset.video_id][asset.kind] = asset
    made = []
    for video in videos:
        own = files[video.pk]
        picture = next((own[kind] for kind in wanted if kind in own and has_picture(own[kind])), None)
        render = own.get(Asset.Kind.RENDER)
        made.append(Card(video=video, picture=picture, preview=render, seconds=render.seconds if render else 0))
    return made


def has_picture(asset: Asset) -> bool:
    return bool(asset.thumbnail) or asset.media_type.startswith("image/")


def scenes_of(user: AbstractBaseUser | AnonymousUser) -> QuerySet[Scene]:
    """Scenes of today's scripts."""
    return Scene.objects.filter(video__in=Video.objects.for_user(user), retired_at=None).select_related("video")


def steps_of(user: AbstractBaseUser | AnonymousUser) -> QuerySet[Step]:
    return Step.objects.filter(video__in=Video.objects.for_user(user))
