"""The forms of the three steps from a topic list to a batch."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import User

from jobs.forms_deadline import DeadlineForm
from jobs.intake import drafts
from jobs.intake.reading import check_size, display_name
from jobs.intake.rules import SCENES, SECONDS
from jobs.intake.table import IntakeError
from jobs.models import Batch, IntakeDraft, Project
from jobs.settings_types import BatchSettings, merged

CROSSFADES = [("0.0", "None"), ("0.3", "Short (0.3 s)"), ("0.5", "Usual (0.5 s)"), ("1.0", "Long (1 s)")]
STRATEGIES = [
    ("pipelined", "Pipelined: every video goes on as soon as it can. First videos come out early."),
    ("parallel", "Stage by stage: all scripts, then all voices and pictures, then all clips."),
    ("chunked", "In chunks: stage by stage for a few videos, then for the next few."),
    ("sequential", "One by one: a single step at a time, in the order of the list."),
]


class ChooseForm(forms.Form):
    name = forms.CharField(
        max_length=200, required=False, label="Name of the batch", help_text="Empty: the name of the file, or the date."
    )
    topics = forms.CharField(
        required=False,
        strip=False,
        label="Paste topics",
        help_text="One topic a line. Cells copied from a spreadsheet keep their columns.",
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "true"}),
    )
    file = forms.FileField(
        required=False,
        allow_empty_file=True,
        label="… or choose a file",
        help_text="CSV, TSV or TXT up to 5 MB, XLSX up to 10 MB, at most 10,000 rows.",
        widget=forms.FileInput(attrs={"accept": ".csv,.tsv,.txt,.xlsx"}),
    )

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        pasted = (values.get("topics") or "").strip()
        if values.get("file") is not None and pasted:
            self.add_error("file", "Both a file and pasted topics: keep one of them.")
        elif values.get("file") is None and not pasted and "file" not in self.errors:
            self.add_error("topics", "Nothing to read yet: paste topics, one a line, or choose a file.")
        return values

    def make_draft(self, project: Project, *, by: User) -> IntakeDraft | None:
        """None when the list cannot be read; the form then says why."""
        values = self.cleaned_data
        upload = values["file"]
        try:
            if upload is None:
                return drafts.from_paste(project, name=values["name"], pasted=values["topics"], by=by)
            filename = upload.name or "The file"
            check_size(display_name(filename), upload.size)
            return drafts.from_upload(project, name=values["name"], filename=filename, content=upload.read(), by=by)
        except IntakeError as error:
            self.add_error("topics" if upload is None else "file", str(error))
            return None


class StartForm(DeadlineForm):
    strategy = forms.ChoiceField(choices=STRATEGIES, widget=forms.RadioSelect, label="How the batch is worked through")
    chunk_size = forms.IntegerField(
        min_value=1, max_value=10_000, label="Videos in a chunk", help_text="Counts only when worked through in chunks."
    )
    seconds = forms.IntegerField(
        min_value=SECONDS[0],
        max_value=SECONDS[1],
        label="Length (s)",
        help_text="Of each video, where its row says none.",
    )
    scenes = forms.IntegerField(
        min_value=SCENES[0], max_value=SCENES[1], label="Scenes", help_text="In each video, where its row says none."
    )
    crossfade_s = forms.TypedChoiceField(choices=CROSSFADES, coerce=float, label="Cross-fade between scenes")
    priority = forms.TypedChoiceField(choices=Batch.Priority.choices, coerce=int, label="Priority")
    burn_captions = forms.BooleanField(
        required=False, label="Captions in the picture", help_text="Caption files (SRT, VTT) are always made."
    )
    script_gate = forms.BooleanField(
        required=False, label="Let me read the scripts first", help_text="Nothing else is made until you release them."
    )
    render_gate = forms.BooleanField(
        required=False,
        label="Let me release each video before its render",
        help_text="All its parts are made and checked; then it waits for your go.",
    )
    moderation = forms.BooleanField(
        required=False,
        label="Moderation",
        help_text="Topics and scripts are checked before anything is made from them.",
    )
    with_earlier = forms.BooleanField(required=False, label="Make topics of earlier batches again")

    def __init__(self, *args: Any, settings: BatchSettings, earlier: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.settings = settings
        for name in _OF_SETTINGS:
            self.fields[name].initial = getattr(settings, name)
        self._keep_other_crossfade(str(float(settings.crossfade_s)))
        self.fields["priority"].initial = Batch.Priority.NORMAL
        if not earlier:
            del self.fields["with_earlier"]
        else:
            self.fields["with_earlier"].help_text = f"{earlier:,} of this list."

    def _keep_other_crossfade(self, value: str) -> None:
        """A project may have a cross-fade of its own, which the form must not change by being shown."""
        field = self.fields["crossfade_s"]
        assert isinstance(field, forms.TypedChoiceField)
        if value not in dict(CROSSFADES):
            field.choices = [*CROSSFADES, (value, f"{value} s")]
        field.initial = value

    def chosen(self) -> BatchSettings:
        return merged(self.settings, {name: self.cleaned_data[name] for name in _OF_SETTINGS})


_OF_SETTINGS = (
    "strategy",
    "chunk_size",
    "seconds",
    "scenes",
    "crossfade_s",
    "burn_captions",
    "script_gate",
    "render_gate",
    "moderation",
)
