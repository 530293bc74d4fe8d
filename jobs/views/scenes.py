"""One scene, one slot: its words change, its file is made again, or an older one is put back."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from jobs import editing
from jobs.control import Refused
from jobs.models import Asset, Scene, Video
from jobs.queries import videos
from jobs.states import Stage


@permission_required("jobs.change_scene", raise_exception=True)
@require_POST
def scene_edit(request: HttpRequest, pk: int) -> HttpResponse:
    scene = get_object_or_404(videos.scenes_of(request.user), pk=pk)
    narration, prompt = request.POST.get("narration", ""), request.POST.get("visual_prompt", "")
    # Browsers send line ends as CR LF; an unchanged text must not count as a change.
    narration, prompt = narration.replace("\r\n", "\n"), prompt.replace("\r\n", "\n")
    try:
        changed = editing.edit_scene(scene, timezone.now(), narration=narration, visual_prompt=prompt)
        said = f"Scene {scene.position} is saved; what is made of it follows." if changed else "Nothing was changed."
        messages.success(request, said)
    except Refused as error:
        messages.error(request, str(error))
    return _back(scene.video_id, scene.pk)


@permission_required("jobs.change_asset", raise_exception=True)
@require_POST
def video_regenerate(request: HttpRequest, pk: int) -> HttpResponse:
    video = get_object_or_404(Video.objects.for_user(request.user), pk=pk)
    stage, asked = request.POST.get("stage", ""), request.POST.get("scene", "")
    scene = None
    if asked.isdecimal() and len(asked) < 15:
        scene = get_object_or_404(Scene, pk=asked, video=video, retired_at=None)
    try:
        editing.regenerate(video, timezone.now(), stage=stage, scene=scene)
        where = f" of scene {scene.position}" if scene else ""
        messages.success(request, f"{Stage(stage).label}{where} is made again.")
    except Refused as error:
        messages.error(request, str(error))
    return _back(video.pk, scene.pk if scene else None)


@permission_required("jobs.change_asset", raise_exception=True)
@require_POST
def asset_choose(request: HttpRequest, pk: int) -> HttpResponse:
    asset = get_object_or_404(Asset.objects.for_user(request.user).select_related("video__batch"), pk=pk)
    try:
        editing.choose_version(asset, timezone.now())
        messages.success(request, f"Version {asset.round} of the {asset.get_kind_display().lower()} is used now.")
    except Refused as error:
        messages.error(request, str(error))
    return _back(asset.video_id, asset.scene_id)


def _back(video_id: int, scene_id: int | None) -> HttpResponse:
    address = reverse("video_detail", args=[video_id])
    return redirect(f"{address}?scene={scene_id}#scene" if scene_id else address)
