"""The addresses of the pages: sentences, in the words of the models."""

from __future__ import annotations

from django.contrib.auth import views as auth
from django.urls import URLPattern, URLResolver, include, path

from jobs.views import batches, decisions, deliver, home, media, metrics, projects, review, scenes, videos
from jobs.views.signin import SignIn

urlpatterns: list[URLPattern | URLResolver] = [
    # overview, projects, batches
    path("", home.home, name="home"),
    path("first-steps/hide/", home.home_dismiss, name="home_dismiss"),
    path("help/", home.help_page, name="help"),
    path("projects/", projects.project_list, name="project_list"),
    path("projects/new/", projects.project_new, name="project_new"),
    path("projects/<int:pk>/", projects.project_detail, name="project_detail"),
    path("projects/<int:pk>/edit/", projects.project_edit, name="project_edit"),
    path("projects/<int:pk>/references/", projects.reference_add, name="reference_add"),
    path("projects/<int:pk>/members/", projects.member_add, name="member_add"),
    path("members/<int:pk>/remove/", projects.member_remove, name="member_remove"),
    path("style-references/<int:pk>/", projects.style_reference, name="style_reference"),
    path("style-references/<int:pk>/delete/", projects.reference_delete, name="reference_delete"),
    path("voice-sample/", projects.voice_sample, name="voice_sample"),
    path("batches/", batches.batch_list, name="batch_list"),
    path("batches/<int:pk>/", batches.batch_detail, name="batch_detail"),
    path("batches/<int:pk>/live/", batches.batch_live, name="batch_live"),
    path("batches/<int:pk>/scripts/", batches.batch_scripts, name="batch_scripts"),
    path("batches/<int:pk>/pause/", batches.batch_pause, name="batch_pause"),
    path("batches/<int:pk>/resume/", batches.batch_resume, name="batch_resume"),
    path("batches/<int:pk>/cancel/", batches.batch_cancel, name="batch_cancel"),
    path("batches/<int:pk>/priority/", batches.batch_priority, name="batch_priority"),
    path("batches/<int:pk>/finish-by/", batches.batch_finish_by, name="batch_finish_by"),
    path("batches/<int:pk>/retry/", batches.batch_retry, name="batch_retry"),
    path("batches/<int:pk>/risk/", decisions.batch_risk, name="batch_risk"),
    path("batches/<int:pk>/release/", batches.batch_release, name="batch_release"),
    path("decisions/", decisions.decision_list, name="decision_list"),
    path("decisions/make/", decisions.decision_make, name="decision_make"),
    path("attempts/<int:pk>/risk/", decisions.risk_settle, name="risk_settle"),
    path("", include("jobs.intake.urls")),
    path("batches/<int:pk>/videos.zip", deliver.batch_zip, name="batch_zip"),
    # videos
    path("videos/", videos.video_list, name="video_list"),
    path("videos/<int:pk>/", videos.video_detail, name="video_detail"),
    path("videos/<int:pk>/live/", videos.video_live, name="video_live"),
    path("videos/<int:pk>/words/", videos.video_edit, name="video_edit"),
    path("videos/<int:pk>/cancel/", videos.video_cancel, name="video_cancel"),
    path("videos/<int:pk>/release/script/", videos.video_release, {"gate": "script"}, name="video_release_script"),
    path("videos/<int:pk>/release/render/", videos.video_release, {"gate": "render"}, name="video_release_render"),
    path("videos/<int:pk>/regenerate/", scenes.video_regenerate, name="video_regenerate"),
    path("videos/<int:pk>/video.mp4", deliver.video_download, name="video_download"),
    path("videos/<int:pk>/captions.srt", deliver.video_captions, {"kind": "srt"}, name="video_srt"),
    path("videos/<int:pk>/captions.vtt", deliver.video_captions, {"kind": "vtt"}, name="video_vtt"),
    path("scenes/<int:pk>/edit/", scenes.scene_edit, name="scene_edit"),
    path("assets/<int:pk>/choose/", scenes.asset_choose, name="asset_choose"),
    path("steps/<int:pk>/try-again/", videos.step_try_again, name="step_try_again"),
    path("media/<int:pk>/<str:name>", media.media_file, name="media_file"),
    path("files/<str:token>/<str:name>", media.public_file, name="public_file"),
    path("thumbnails/<int:pk>/", media.media_thumbnail, name="media_thumbnail"),
    # review
    path("review/", review.review_queue, name="review_queue"),
    path("review/approve/", review.review_approve_many, name="review_approve_many"),
    path("review/<int:pk>/", review.review_asset, name="review_asset"),
    path("review/<int:pk>/approve/", review.review_approve, name="review_approve"),
    path("review/<int:pk>/send-back/", review.review_send_back, name="review_send_back"),
    path("reviews/<int:pk>/undo/", review.review_undo, name="review_undo"),
    # metrics
    path("metrics/", metrics.metrics, name="metrics"),
    path("metrics/forecasts/", metrics.forecasts, name="metrics_forecasts"),
    path("metrics/table.csv", metrics.metrics_csv, name="metrics_csv"),
    # people
    path("login/", SignIn.as_view(), name="login"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path("password/", auth.PasswordChangeView.as_view(), name="password_change"),
    path("password/done/", auth.PasswordChangeDoneView.as_view(), name="password_change_done"),
]
