from __future__ import annotations

from django.contrib.auth.management import create_permissions
from django.db import migrations

READ = [
    "project",
    "batch",
    "video",
    "scene",
    "asset",
    "step",
    "stylereference",
]
GROUPS = {
    "viewer": [f"view_{name}" for name in READ],
    "reviewer": [*(f"view_{name}" for name in READ), "add_review"],
    "producer": [
        *(f"view_{name}" for name in READ),
        "add_review",
        "add_project",
        "change_project",
        "add_stylereference",
        "delete_stylereference",
        "add_batch",
        "change_batch",
        "change_video",
        "change_scene",
        "change_asset",
        "add_decision",
    ],
    "admin": None,  # everything
}


def make_groups(apps, schema_editor):
    for label in ("jobs", "providers", "qc"):
        config = apps.get_app_config(label)
        config.models_module = True
        create_permissions(config, apps=apps, verbosity=0)
        config.models_module = None
    group_model = apps.get_model("auth", "Group")
    permission_model = apps.get_model("auth", "Permission")
    for name, wanted in GROUPS.items():
        group, _ = group_model.objects.get_or_create(name=name)
        permissions = permission_model.objects.filter(content_type__app_label="jobs")
        if wanted is None:
            permissions = permission_model.objects.filter(content_type__app_label__in=("jobs", "providers", "qc", "auth"))
        else:
            permissions = permissions.filter(codename__in=wanted)
        group.permissions.add(*permissions)


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0001_initial"),
        ("providers", "0001_initial"),
        ("qc", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]
    operations = [migrations.RunPython(make_groups, migrations.RunPython.noop)]
