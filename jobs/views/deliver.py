"""Finished videos leave: one as MP4 with captions, a batch as a zip."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.http import content_disposition_header
from django.utils.text import slugify
from django.views.decorators.http import require_GET, require_safe

from jobs import delivery
from jobs.models import Asset, Batch, Video
from jobs.views.media import StoredFile, serve


@require_safe
def video_download(request: HttpRequest, pk: int) -> HttpResponseBase:
    return _deliver(request, pk, Asset.Kind.RENDER)


@require_safe
def video_captions(request: HttpRequest, pk: int, kind: str) -> HttpResponseBase:
    return _deliver(request, pk, Asset.Kind(kind))


def _deliver(request: HttpRequest, pk: int, kind: Asset.Kind) -> HttpResponseBase:
    video = get_object_or_404(Video.objects.for_user(request.user), pk=pk)
    asset = video.assets.filter(kind=kind, scene=None, current=True).first()
    if video.state != Video.State.DONE or asset is None:
        messages.error(request, "This video is not finished yet. It can be downloaded once its render has passed.")
        return redirect("video_detail", video.pk)
    name = f"{delivery.base_name(video)}.{delivery.DELIVERED[kind]}"
    return serve(request, StoredFile(name=asset.name, tag=asset.sha256, called=name, attachment=True))


@require_GET
def batch_zip(request: HttpRequest, pk: int) -> HttpResponseBase:
    batch = get_object_or_404(Batch.objects.for_user(request.user), pk=pk)
    packed = delivery.prepare(batch)
    if not packed.entries:
        messages.error(request, "No video of this batch is finished yet, so there is nothing to pack.")
        return redirect("batch_detail", batch.pk)
    if packed.missing:
        messages.error(
            request,
            f"{len(packed.missing)} files are no longer in the media store, {packed.missing[0]} among them. "
            "Make these videos again, or put the files back.",
        )
        return redirect("batch_detail", batch.pk)
    response = StreamingHttpResponse(delivery.zipped(packed), content_type="application/zip")
    name = f"{slugify(batch.name)[:60].strip('-') or 'batch'}-{batch.pk}.zip"
    response["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
    response["Cache-Control"] = "private, no-store"
    return response
