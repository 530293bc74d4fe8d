from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0008_decision_kinds")]

    operations = [
        migrations.AddField(
            model_name="worker",
            name="erred",
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
