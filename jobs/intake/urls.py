from __future__ import annotations

from django.urls import path

from jobs.views import intake

urlpatterns = [
    path("projects/<int:pk>/new-batch/", intake.batch_new, name="batch_new"),
    path("topics-template.csv", intake.draft_template, name="draft_template"),
    path("drafts/<str:token>/", intake.draft_check, name="draft_check"),
    path("drafts/<str:token>/columns/", intake.draft_columns, name="draft_columns"),
    path("drafts/<str:token>/cells/", intake.draft_cells, name="draft_cells"),
    path("drafts/<str:token>/rejected.csv", intake.draft_rows_rejected, name="draft_rows_rejected"),
    path("drafts/<str:token>/start/", intake.draft_start, name="draft_start"),
]
