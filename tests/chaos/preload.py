"""What the process that drives are forked from has loaded. It opens no database: a connection cannot be shared."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django  # noqa: E402

django.setup()

import tests.chaos.bugs  # noqa: E402
import tests.chaos.ground  # noqa: E402
import tests.chaos.weather  # noqa: E402, F401
from jobs import review  # noqa: E402, F401
from jobs.engine import drive  # noqa: E402, F401
from providers import registry  # noqa: E402

registry.all_adapters()
