from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('providers', '0005_catalogue'),
    ]

    operations = [
        migrations.AddField(
            model_name='lane',
            name='learned_cap',
            field=models.PositiveIntegerField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='lane',
            name='learned_cap_at',
            field=models.DateTimeField(editable=False, null=True),
        ),
    ]
