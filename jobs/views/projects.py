"""Projects: their look and voice, their style references, their people."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.contrib.auth.models import User
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from jobs import style_references, voice_preview
from jobs.control import Refused
from jobs.models import Membership, Project
from jobs.project_forms import MemberForm, ProjectForm, language_name
from jobs.queries import projects as queries
from jobs.queries.batches import in_bulk_fact
from jobs.views.media import StoredFile, serve

AT_ONCE = 10  # style references in one upload
may_make = permission_required("jobs.add_project", raise_exception=True)
may_change = permission_required("jobs.change_project", raise_exception=True)
may_invite = permission_required("jobs.add_membership", raise_exception=True)


@require_GET
def project_list(request: HttpRequest) -> HttpResponse:
    return render(request, "projects/list.html", {"projects": queries.listed(request.user)})


@require_GET
def project_detail(request: HttpRequest, pk: int) -> HttpResponse:
    project = _project(request, pk)
    settings = project.batch_settings()
    facts = [
        ("Style", settings.style or "none said"),
        ("Picture", f"{settings.aspect_ratio}, {settings.size[0]}×{settings.size[1]}"),
        ("Length", f"{settings.seconds} s in {settings.scenes} scenes"),
        ("Language", language_name(settings.language)),
        ("Voice", settings.voice or "the usual one"),
        ("Moderation", "on" if settings.moderation else "off"),
        *in_bulk_fact(settings),
        ("New tries by itself", str(settings.auto_retries)),
        ("Checks", f"profile {project.profile}"),
    ]
    return render(
        request,
        "projects/detail.html",
        {
            "project": project,
            "facts": facts,
            "references": project.references.all(),
            "batches": project.batches.select_related("created_by")[:10],
            "memberships": queries.memberships_for(request.user).filter(project=project),
            "member_form": MemberForm(project=project) if request.user.has_perm("jobs.add_membership") else None,
            "most": style_references.MOST,
        },
    )


@may_make
@require_http_methods(["GET", "HEAD", "POST"])
def project_new(request: HttpRequest) -> HttpResponse:
    form = ProjectForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            project = form.save()
            Membership.objects.create(project=project, user=_user(request))
        messages.success(request, "Project made. Add pictures that show its style, or start a batch.")
        return redirect("project_detail", project.pk)
    return render(request, "projects/form.html", {"form": form})


@may_change
@require_http_methods(["GET", "HEAD", "POST"])
def project_edit(request: HttpRequest, pk: int) -> HttpResponse:
    project = _project(request, pk)
    form = ProjectForm(request.POST or None, instance=project)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "Saved. Batches that were started keep what they were started with.")
        return redirect("project_detail", project.pk)
    return render(request, "projects/form.html", {"form": form, "project": _project(request, pk)})


# -- voice -------------------------------------------------------------------------------------------------------------


@require_GET
def voice_sample(request: HttpRequest) -> HttpResponseBase:
    """A sentence spoken by a voice of this machine. What went wrong comes back as plain text."""
    try:
        path = voice_preview.preview(language=request.GET.get("language", ""), voice=request.GET.get("voice", ""))
    except Refused as error:
        return HttpResponse(str(error), status=422, content_type="text/plain; charset=utf-8")
    return serve(request, StoredFile(name=f"previews/{path.name}", tag=path.stem, called="voice.wav"))


# -- style references --------------------------------------------------------------------------------------------------


@permission_required("jobs.add_stylereference", raise_exception=True)
@require_POST
def reference_add(request: HttpRequest, pk: int) -> HttpResponse:
    project = _project(request, pk)
    uploads = [file for file in request.FILES.getlist("pictures") if isinstance(file, UploadedFile)]
    added = 0
    for upload in uploads[:AT_ONCE]:
        try:
            style_references.add(project, upload)
            added += 1
        except Refused as error:
            messages.error(request, str(error))
    if len(uploads) > AT_ONCE:
        messages.warning(request, f"The first {AT_ONCE} pictures were looked at. Upload the others after them.")
    if not uploads:
        messages.error(request, "Choose at least one picture: PNG, JPEG or WebP, 20 MB at most.")
    if added:
        messages.success(request, f"{added} style reference{'s' if added > 1 else ''} added.")
    return redirect("project_detail", project.pk)


@permission_required("jobs.delete_stylereference", raise_exception=True)
@require_POST
def reference_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """The row goes; the file stays, for it may have been used, or belong to another project too."""
    reference = get_object_or_404(queries.references_for(request.user), pk=pk)
    reference.delete()
    messages.success(request, "Style reference removed.")
    return redirect("project_detail", reference.project_id)


@require_GET
def style_reference(request: HttpRequest, pk: int) -> HttpResponseBase:
    reference = get_object_or_404(queries.references_for(request.user), pk=pk)
    name = style_references.picture_name(reference)
    return serve(request, StoredFile(name=name, tag=reference.sha256, called=f"reference-{reference.pk}.jpg"))


# -- people ------------------------------------------------------------------------------------------------------------


@may_invite
@require_POST
def member_add(request: HttpRequest, pk: int) -> HttpResponse:
    project = _project(request, pk)
    form = MemberForm(request.POST, project=project)
    if form.is_valid():
        Membership.objects.get_or_create(project=project, user=form.cleaned_data["user"])
        messages.success(request, f"{form.cleaned_data['user']} now sees this project.")
    else:
        messages.error(request, "Choose a person from the list. Somebody may have added this one already.")
    return redirect("project_detail", project.pk)


@permission_required("jobs.delete_membership", raise_exception=True)
@require_POST
def member_remove(request: HttpRequest, pk: int) -> HttpResponse:
    member = get_object_or_404(queries.memberships_for(request.user), pk=pk)
    member.delete()
    messages.success(request, f"{member.user} no longer sees this project.")
    still_mine = Project.objects.for_user(request.user).filter(pk=member.project_id).exists()
    return redirect("project_detail", member.project_id) if still_mine else redirect("project_list")


# -- parts -------------------------------------------------------------------------------------------------------------


def _project(request: HttpRequest, pk: int) -> Project:
    return get_object_or_404(Project.objects.for_user(request.user).select_related("profile"), pk=pk)


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # nobody else comes past LoginRequiredMiddleware
    return request.user
