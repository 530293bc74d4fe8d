from __future__ import annotations

from django.urls import path

from . import webhooks

urlpatterns = [
    path("<slug:slug>/", webhooks.receive, name="webhook"),
    path("<slug:slug>/<slug:tag>/<slug:mac>/", webhooks.receive, name="webhook_of_attempt"),
]
