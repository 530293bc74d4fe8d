"""A site of one page that uses the frame and its components, and a live address that answers what a test wants."""

from __future__ import annotations

from types import SimpleNamespace

from django import forms
from django.contrib import admin
from django.contrib.auth import views as auth
from django.contrib.auth.decorators import login_not_required
from django.contrib.messages import success, warning
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.template import RequestContext, Template
from django.urls import path

from jobs.views.signin import SignIn

PAGE = Template(
    """{% extends "base.html" %}{% load vidbatch %}
{% block title %}Spring{% endblock %}
{% block breadcrumb %}{% include "components/_breadcrumb.html" with here="Spring" %}{% endblock %}
{% block heading %}{% include "components/_page_header.html" with heading="Spring" state="running" %}{% endblock %}
{% block meta %}120 topics{% endblock %}
{% block actions %}<button type="button" class="btn" data-vb-open="cancel">Cancel batch</button>{% endblock %}
{% block scripts %}{% include "components/_live_scripts.html" %}{% load static %}
<script src="{% static 'js/shortcuts.js' %}" defer></script>{% endblock %}
{% block content %}
{% include "components/_live.html" with live_url="/live/" live_version="1" %}
<div id="region"><p>old</p><a href="/" id="inside">inside</a></div>
<div class="vb-figures">{% include "components/_figure_card.html" with label="Cost" figure=61400000|money %}</div>
<div class="card"><div class="card-header"><h2 class="card-title">Pipeline</h2>{% include "components/_legend.html" %}
</div>{% include "components/_pipeline.html" %}</div>
<div class="card"><div class="card-body">{% gauge "Images" 47 50 "img/min" "resets in 21 s" %}</div></div>
<form class="card"><ul class="vb-items">
{% with title="Bread" url="/" reason="Refused" state="failed" cost=310000 %}
{% include "components/_item_row.html" with action_url="/" action_word="Fix and retry" select_name="v" %}
{% endwith %}
</ul>{% include "components/_pagination.html" %}</form>
{% include "components/_filter_bar.html" with search_name="q" search_label="Find a topic" %}
<div class="vb-tiles">{% include "components/_media_tile.html" with url="/" alt="Scene 1" label="1" state="flagged" %}
</div>
<div class="card"><div class="card-body">{% include "components/_check_list.html" %}</div></div>
{% include "components/_decision_card.html" with approve_url="/" send_back_url="/" what="scene 3" undo=True %}
<div class="card"><div class="card-body">{% include "components/_error_summary.html" %}
<form>{% for field in form %}{{ field.as_field_group }}{% endfor %}</form></div></div>
{% include "components/_empty_state.html" with title="No batch yet" text="Upload" action_url="/" action_word="Upload" %}
{% for state in states %}{% state_chip state %}{% endfor %}
{% endblock %}
{% block dialogs %}
{% include "components/_confirm_dialog.html" with id="cancel" title="Cancel?" text="Sure?" action="/" word="Yes" %}
{% include "components/_shortcut_sheet.html" %}{% endblock %}"""
)
live_answer: dict[str, object] = {}
asked: list[str] = []


class TopicForm(forms.Form):
    name = forms.CharField(help_text="Shown in lists.")
    kind = forms.ChoiceField(choices=[("a", "Image"), ("b", "Clip")], widget=forms.RadioSelect)
    gate = forms.BooleanField(required=False, label="Read the scripts first")


def component_page(request: HttpRequest) -> HttpResponse:
    success(request, "Batch started")
    warning(request, "2 rows need a fix.")
    stage = SimpleNamespace(
        word="Clips", picture="movie", done=295, running=4, failed=1, needs=2, waiting=418, total=720, note="0.9/s"
    )
    result = SimpleNamespace(outcome="failed", sentence="1.4 s of silence", value="1.4 s", threshold="1.0 s")
    context = {
        "crumbs": [("Batches", "/")],
        "stages": [stage] * 6,
        "results": [result],
        "page": Paginator(range(100), 10).page(3),
        "reasons": [("style", "Off style"), ("motion", "Odd motion")],
        "selects": [("state", "State", [("", "All states"), ("f", "Failed")], "")],
        "form": TopicForm({"name": ""}),
        "states": ["done", "running", "failed", "flagged", "ready", "paused", "skipped"],
    }
    return HttpResponse(PAGE.render(RequestContext(request, context)))


def live(request: HttpRequest) -> HttpResponse:
    asked.append(request.GET.get("v", ""))
    return HttpResponse(str(live_answer.get("body", "")), status=int(str(live_answer.get("status", 204))))


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("on purpose")


urlpatterns = [
    path("", component_page, name="home"),
    path("live/", live),
    path("broken/", login_not_required(broken)),
    path("login/", SignIn.as_view(), name="login"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path("password/", auth.PasswordChangeView.as_view(success_url="/"), name="password_change"),
    path("admin/", admin.site.urls),
]
