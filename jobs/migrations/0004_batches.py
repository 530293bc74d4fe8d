from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("jobs", "0003_tally")]
    operations = [
        migrations.AlterModelOptions(name="batch", options={"ordering": ["-pk"], "verbose_name_plural": "batches"}),
    ]
