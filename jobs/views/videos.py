"""All videos, and the workbench of one."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from jobs import control
from jobs.control import Refused
from jobs.models import Video
from jobs.queries import videos
from jobs.queries.batches import at_render_gate, at_script_gate
from jobs.queries.workbench import workbench
from jobs.states import Reason
from jobs.views.people import person
from jobs.wording import edit_words

VIDEOS_ON_A_PAGE = 24
STOP_POLLING = 286


@require_GET
def video_list(request: HttpRequest) -> HttpResponse:
    state, project = request.GET.get("state", ""), request.GET.get("project", "")
    words = request.GET.get("q", "").strip()[:200]
    found = videos.video_page(request.user, state=state, project=project, words=words)
    page = Paginator(found, VIDEOS_ON_A_PAGE).get_page(request.GET.get("page"))
    selects = [
        ("state", "State", [("", "All states"), *Video.State.choices], state),
        ("project", "Project", [("", "All projects"), *videos.projects_of(request.user)], project),
    ]
    return render(
        request,
        "videos/list.html",
        {
            "page": page,
            "cards": videos.cards(page.object_list),
            "selects": selects,
            "words": words,
            "is_filtered": bool(state or project or words),
        },
    )


@require_GET
def video_detail(request: HttpRequest, pk: int) -> HttpResponse:
    bench = workbench(_video(request, pk), _scene_id(request))
    return render(request, "videos/detail.html", {"bench": bench, "video": bench.video, "live_version": bench.version})


@require_GET
def video_live(request: HttpRequest, pk: int) -> HttpResponse:
    bench = workbench(_video(request, pk), _scene_id(request))
    if request.GET.get("v") == bench.version:
        return HttpResponse(status=STOP_POLLING if bench.is_over else 204)
    return render(
        request,
        "videos/_live.html",
        {"bench": bench, "video": bench.video, "live_version": bench.version, "oob": True},
    )


@permission_required("jobs.change_video", raise_exception=True)
@require_POST
def video_edit(request: HttpRequest, pk: int) -> HttpResponse:
    video = _video(request, pk)
    words = {name: request.POST.get(name, "") for name in ("title", "hook", "description", "hashtags")}
    try:
        edit_words(video, timezone.now(), **words)
        messages.success(request, "The words around the video are saved.")
    except Refused as error:
        messages.error(request, str(error))
    return redirect("video_detail", video.pk)


@permission_required("jobs.change_batch", raise_exception=True)
@require_POST
def video_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    video = _video(request, pk)
    try:
        control.cancel_video(video, timezone.now())
        messages.success(request, "This video is cancelled. What was made of it is kept.")
    except Refused as error:
        messages.error(request, str(error))
    return redirect("video_detail", video.pk)


@permission_required("jobs.add_decision", raise_exception=True)
@require_POST
def video_release(request: HttpRequest, pk: int, gate: str) -> HttpResponse:
    video = _video(request, pk)
    is_script = gate == "script"
    waiting = at_script_gate(video.batch) if is_script else at_render_gate(video.batch)
    if waiting.filter(pk=video.pk).exists():
        release = control.release_scripts if is_script else control.release_renders
        release([video], person(request), timezone.now())
        what = "The script is released: voices and images are next." if is_script else "The render begins."
        messages.success(request, what)
    else:
        messages.warning(request, "Nothing of this video waits for that go; somebody may have given it already.")
    return redirect("video_detail", video.pk)


@permission_required("jobs.add_decision", raise_exception=True)
@require_POST
def step_try_again(request: HttpRequest, pk: int) -> HttpResponse:
    """A step that needs a person goes on. A lost answer is decided elsewhere: that is about money."""
    step = get_object_or_404(videos.steps_of(request.user).exclude(reason=Reason.DECISION), pk=pk)
    try:
        if step.reason == Reason.CONTENT:
            raise Refused("The same words would be declined again. Change them, and it is made anew.")
        control.try_again(step, person(request), timezone.now())
        messages.success(request, "It is tried again.")
    except Refused as error:
        messages.error(request, str(error))
    return redirect("video_detail", step.video_id)


def _video(request: HttpRequest, pk: int) -> Video:
    return get_object_or_404(Video.objects.for_user(request.user).select_related("batch__project"), pk=pk)


def _scene_id(request: HttpRequest) -> int | None:
    asked = request.GET.get("scene", "")
    return int(asked) if asked.isdecimal() and len(asked) < 15 else None
