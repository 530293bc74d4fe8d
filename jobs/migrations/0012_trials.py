from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0011_instead_of'),
    ]

    operations = [
        migrations.AlterField(
            model_name='ledgerentry',
            name='kind',
            field=models.CharField(choices=[('reserve', 'Reserved'), ('release', 'Released'), ('settle', 'Settled'), ('at_risk', 'At risk'), ('resolve', 'Resolved'), ('overrun', 'Above the maximum price'), ('orphan', 'A job that no step waits for'), ('trial', 'A call to try a provider'), ('adjust', 'Adjusted by a person')], max_length=8),
        ),
        migrations.RemoveConstraint(
            model_name='ledgerentry',
            name='orphan_booked_once',
        ),
        migrations.AddConstraint(
            model_name='ledgerentry',
            constraint=models.UniqueConstraint(condition=models.Q(('kind__in', ['orphan', 'trial']), models.Q(('external_id', ''), _negated=True)), fields=('provider', 'external_id'), name='job_of_no_step_booked_once'),
        ),
    ]
