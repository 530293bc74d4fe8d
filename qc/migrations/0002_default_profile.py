from __future__ import annotations

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def make_default(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    apps.get_model("qc", "Profile").objects.get_or_create(name="default")


class Migration(migrations.Migration):
    dependencies = [("qc", "0001_initial")]
    operations = [migrations.RunPython(make_default, migrations.RunPython.noop)]
