"""The form of a project: its look, its voice, and what its batches start from."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import get_language_info

from jobs.intake.rules import SCENES, SECONDS
from jobs.model_fields import PLACES, ROWS, fields_for, offers_of
from jobs.models import Project
from jobs.offers import CHOOSABLE, has_bulk_price, sold_in_bulk, stages_in_bulk
from jobs.states import Stage
from jobs.voice_preview import offered_voices
from providers.models import Offer
from qc.models import Profile

TRIES = [(n, f"{n}" if n else "None: flag it at once") for n in range(4)]
DEFAULT_NAMES = (
    "scenes", "seconds", "auto_retries", "moderation", "script_gate", "render_gate", "burn_captions",
    "takes", "failover", "declined_elsewhere",
)  # fmt: skip


class ProjectForm(forms.ModelForm[Project]):
    language = forms.ChoiceField(help_text="Of scripts, voices and captions, where a topic names no other.")
    voice = forms.ChoiceField(required=False, help_text="Empty: the usual voice of the language.")
    seconds = forms.IntegerField(
        min_value=SECONDS[0], max_value=SECONDS[1], label="Length (s)", help_text="Of a finished video."
    )
    scenes = forms.IntegerField(min_value=SCENES[0], max_value=SCENES[1], help_text="In each video.")
    auto_retries = forms.TypedChoiceField(
        choices=TRIES,
        coerce=int,
        label="New tries by itself",
        help_text="When a file fails its checks, before it is flagged.",
    )
    moderation = forms.BooleanField(
        required=False, help_text="Topics and scripts are checked before anything is made of them."
    )
    script_gate = forms.BooleanField(required=False, label="Let me read the scripts first")
    render_gate = forms.BooleanField(required=False, label="Let me release each video before its render")
    burn_captions = forms.BooleanField(
        required=False, label="Captions in the picture", help_text="Caption files are made in any case."
    )

    takes = forms.IntegerField(
        min_value=1,
        max_value=10,
        required=False,
        label="Candidates for each picture",
        help_text="Where one request of the model gives several: the best by its checks goes on, the others stay.",
    )
    bulk = forms.MultipleChoiceField(
        required=False,
        label="In bulk",
        widget=forms.CheckboxSelectMultiple,
        help_text="At the vendor's lower price (half, as a rule), and back within 24 hours, not at once. Only where "
        "the model's vendor sells it so, and never one step at a time.",
    )
    failover = forms.BooleanField(
        required=False,
        label="The next model takes over",
        help_text="When the one before it is stopped for long, or too slow for the deadline of a batch.",
    )
    declined_elsewhere = forms.BooleanField(
        required=False,
        label="What one vendor declines may go to the next",
        help_text="Otherwise a person decides about content that was declined.",
    )

    class Meta:
        model = Project
        fields = ("name", "style", "aspect_ratio", "short_side", "language", "voice")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        now = self.instance.batch_settings()
        for name in ("language", *DEFAULT_NAMES):
            self.initial.setdefault(name, getattr(now, name))
        voices = offered_voices()
        languages, speakers = self.fields["language"], self.fields["voice"]
        assert isinstance(languages, forms.ChoiceField) and isinstance(speakers, forms.ChoiceField)
        known = sorted({*voices, self.instance.language}, key=language_name)
        languages.choices = [(code, language_name(code)) for code in known]
        speakers.choices = [
            ("", "Usual voice of the language"),
            *((language_name(code), voices[code]) for code in known if code in voices),
        ]
        self.voices = voices
        in_bulk = self.fields["bulk"]
        assert isinstance(in_bulk, forms.MultipleChoiceField)
        kept = [stage for stage in CHOOSABLE if stage in now.bulk]
        stages = dict.fromkeys([*stages_in_bulk(), *kept])
        in_bulk.choices = [(stage.value, f"{stage.label}s") for stage in stages]
        self.initial.setdefault("bulk", list(now.bulk))
        if not stages:
            del self.fields["bulk"]
        for name, field in fields_for(now, timezone.now().date()):
            self.fields[name] = field

    def model_rows(self) -> list[list[forms.BoundField]]:
        """One row a stage: the model, and those that take over."""
        return [[self[f"{name}_{place}"] for place in PLACES] for name, _, _ in ROWS]

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        slug = slugify(name)[:100]
        if not slug:
            raise forms.ValidationError("Use at least one letter or digit from a to z: addresses are made of it.")
        if Project.objects.exclude(pk=self.instance.pk).filter(slug=slug).exists():
            raise forms.ValidationError("Another project has this name, or nearly this one.")
        return name

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        language, voice = values.get("language", ""), values.get("voice", "")
        if voice and voice not in dict(self.voices.get(language, [])):
            self.add_error("voice", f"{voice} does not speak {language_name(language)}. Choose one of its own voices.")
        if language and language not in self.voices:
            self.add_error("language", "No provider that is switched on speaks this language.")
        self._check_bulk(values)
        return values

    def _check_bulk(self, values: dict[str, Any]) -> None:
        """The model is to be chosen: any other that can may not be sold so."""
        for stage in values.get("bulk", ()):
            offer = Offer.objects.select_related("provider").filter(pk=values.get(f"{stage}_first") or 0).first()
            noun = Stage(stage).label.lower()
            if offer is None:
                self.add_error("bulk", f"Choose the model for the {noun} first: not every one is sold in bulk.")
            elif not sold_in_bulk(offer):
                self.add_error("bulk", f"{offer} is not sold in bulk. Choose another model, or have it made at once.")
            elif not has_bulk_price(offer, timezone.now()):
                self.add_error("bulk", f"{offer} has no price in bulk: an admin can enter one.")

    def clean_takes(self) -> int:
        return self.cleaned_data["takes"] or 1

    def save(self, commit: bool = True) -> Project:
        project = super().save(commit=False)
        project.slug = slugify(project.name)[:100]
        # What else stands in there, e.g. the sample's planted flaws, stays.
        before = project.defaults.get("offers", {})
        own = {name: self.cleaned_data[name] for name in DEFAULT_NAMES}
        own["bulk"] = self.cleaned_data.get("bulk", [])
        project.defaults = {**project.defaults, **own, "offers": offers_of(self.cleaned_data, before)}
        if project.profile_id is None:
            project.profile = Profile.objects.order_by("pk").first() or Profile.objects.create(name="default")
        if commit:
            project.save()
        return project


class MemberForm(forms.Form):
    user = forms.ModelChoiceField(queryset=User.objects.none(), label="Add a person", empty_label="Choose a person")

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["user"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = User.objects.filter(is_active=True).exclude(projects=project).order_by("username")


def language_name(code: str) -> str:
    try:
        return str(get_language_info(code)["name"])
    except KeyError:
        return code or "no language"
