"""The site's settings, for throw-away folders, with results that may be fetched from this machine: the simulator's."""

from __future__ import annotations

from vidbatch_site import environment

environment.load_dotenv = lambda path: None  # what stands in this machine's .env is no business of a benchmark

from vidbatch_site.settings import *  # noqa: E402, F403
from vidbatch_site.settings import LOGGING, STATIC_ROOT  # noqa: E402

STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # whitenoise warns when there is none
ALLOW_LOOPBACK_OUTPUTS = True
LOGGING["root"]["level"] = "ERROR"  # lanes that pause and learn are what is measured, no news
