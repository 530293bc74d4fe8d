"""All settings, in sections. Every variable read here has a line in .env.example."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import django_stubs_ext
from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from vidbatch_site import environment as env
from vidbatch_site.secret_key import load_or_create

django_stubs_ext.monkeypatch()  # so that ModelAdmin[Batch] and its like can be written

BASE_DIR = Path(__file__).resolve().parent.parent
env.load_dotenv(BASE_DIR / ".env")

# -- where things live ---------------------------------------------------------------------------

DATA_DIR = env.folder("VIDBATCH_DATA", BASE_DIR / "data")  # database, media, locks, logs
MEDIA_ROOT = env.folder("VIDBATCH_MEDIA", DATA_DIR / "media")  # the same for all machines of an installation
WORK_ROOT = DATA_DIR / "work"  # one folder per running call, emptied afterwards
LOCK_ROOT = DATA_DIR / "locks"  # one lock file per living process; local disk only
STATIC_ROOT = env.folder("VIDBATCH_STATIC", BASE_DIR / "staticfiles")
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
try:
    for _folder in (DATA_DIR, MEDIA_ROOT, WORK_ROOT, LOCK_ROOT):
        _folder.mkdir(parents=True, exist_ok=True)
except OSError as _error:
    raise ImproperlyConfigured(
        f"The data folder {DATA_DIR} cannot be written ({_error.strerror}). "
        f"Make it writable or set VIDBATCH_DATA to another folder."
    ) from _error

# -- the site ------------------------------------------------------------------------------------

DEBUG = env.yes_or_no("VIDBATCH_DEBUG", False)
SECRET_KEY = env.text("VIDBATCH_SECRET_KEY") or load_or_create(DATA_DIR / "secret_key")
ALLOWED_HOSTS = env.names("VIDBATCH_HOSTS", ["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.origins("VIDBATCH_ORIGINS")
PUBLIC_URL = env.address("VIDBATCH_PUBLIC_URL")  # where vendors reach the site; "": none is asked to call back
PORT = env.whole_number("VIDBATCH_PORT", 8000, least=1, most=65535)
HTTPS = env.yes_or_no("VIDBATCH_HTTPS", False)  # behind a proxy that speaks https

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.forms",  # its widget templates, under ours
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "csp",
    "django_htmx",
    "django_q",
    "providers",
    "qc",
    "jobs",
    "vidbatch_site",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "vidbatch_site.urls"
WSGI_APPLICATION = "vidbatch_site.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
                "jobs.context_processors.frame",
            ],
        },
    },
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"
STORAGES: dict[str, Any] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
LANGUAGE_CODE = "en"
TIME_ZONE = env.time_zone("VIDBATCH_TIME_ZONE", "UTC")
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# -- people --------------------------------------------------------------------------------------

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600
CSRF_COOKIE_SAMESITE = "Lax"

# -- what a browser may do -----------------------------------------------------------------------

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "media-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "object-src": [NONE],
        "frame-ancestors": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
if HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    SECURE_HSTS_SECONDS = 365 * 24 * 3600
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SESSION_COOKIE_NAME = "__Host-sessionid"
    CSRF_COOKIE_NAME = "__Host-csrftoken"

# -- uploads: a topic list of 10,000 rows, re-mapped and edited in its preview --------------------

DATA_UPLOAD_MAX_MEMORY_SIZE = 12 * 2**20
DATA_UPLOAD_MAX_NUMBER_FIELDS = 20_000
FILE_UPLOAD_MAX_MEMORY_SIZE = 2**20

# -- database and queue --------------------------------------------------------------------------

DATABASES: dict[str, Any] = {
    "default": env.database(
        "VIDBATCH_DATABASE_URL", {"ENGINE": "django.db.backends.sqlite3", "NAME": str(DATA_DIR / "vidbatch.sqlite3")}
    )
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
    }
DATABASES["default"]["CONN_MAX_AGE"] = None
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True  # a database that was restarted costs no request and no drive
REDIS_URL = env.redis_url("VIDBATCH_REDIS_URL")

CACHES: dict[str, Any] = {  # counts failed sign-ins; shared by all processes
    "default": {
        "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
        "LOCATION": str(DATA_DIR / "cache"),
        "OPTIONS": {"MAX_ENTRIES": 10_000},
    }
}
if REDIS_URL:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}

# -- the engine (docs/design.md) -----------------------------------------------------------------

ROLES = ("generation", "media")
CALL_THREADS = env.whole_number("VIDBATCH_CALL_THREADS", 96, least=1, most=256)
MEDIA_PLACES = env.whole_number("VIDBATCH_MEDIA_PLACES", os.cpu_count() or 2, least=1, most=256)
DRIVE_SLICE_S = env.whole_number("VIDBATCH_DRIVE_SLICE_S", 600, least=5, most=3600)
LONGEST_CALL_S = 600  # no adapter's deadline and no media limit may be longer; jobs/checks.py holds it
DRIVE_TIMEOUT_S = DRIVE_SLICE_S + LONGEST_CALL_S + 15
MIN_FREE_BYTES = env.whole_number("VIDBATCH_MIN_FREE_MB", 1024, least=0, most=10**6) * 2**20
ALLOW_LOOPBACK_OUTPUTS = False  # only tests fetch results from this machine


def _cluster(role: str) -> dict[str, Any]:
    """A message is only a wake-up for drive(role): lost, doubled or late, it changes nothing but latency."""
    return {
        "name": role,
        "label": f"Queue {role}",
        "workers": 2,  # the successor of a drive overlaps its drain
        "recycle": 1,  # a slice has a process of its own, and what that has gathered goes with it
        "queue_limit": 2,
        "bulk": 1,
        "timeout": DRIVE_TIMEOUT_S,
        "retry": DRIVE_TIMEOUT_S + 30,
        "max_attempts": 1,
        "ack_failures": True,
        "save_limit": -1,
        "catch_up": False,
        "scheduler": False,
        "poll": 0.5,
        "guard_cycle": 1,
        **(
            {"redis": REDIS_URL, "broker_class": "jobs.engine.wake_ups_in_redis.InRedis"}
            if REDIS_URL
            else {"orm": "default", "broker_class": "jobs.engine.wake_ups.InDatabase"}
        ),
    }


Q_CLUSTER: dict[str, Any] = {
    **_cluster(ROLES[0]),
    "ALT_CLUSTERS": {role: _cluster(role) for role in ROLES[1:]},
}

# -- log -----------------------------------------------------------------------------------------

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {
        "handlers": ["console"],
        "level": env.one_of("VIDBATCH_LOG", "INFO", {"DEBUG", "INFO", "WARNING", "ERROR"}),
    },
}
