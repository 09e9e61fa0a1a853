"""Django's settings, computed from the installation's configuration."""

from __future__ import annotations

import os
from typing import Any

from charthouse.configuration import configuration
from charthouse.foundation.database.api import django_database
from charthouse.foundation.database.secrets import session_secret

_site = configuration()

SECRET_KEY = session_secret()
DEBUG = False
ALLOWED_HOSTS = list(_site.allowed_hosts)
ROOT_URLCONF = "charthouse.web.urls"
WSGI_APPLICATION = "charthouse.web.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "people.User"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-us"
USE_I18N = False

DATABASES: dict[str, dict[str, Any]] = {
    "default": django_database(owner=os.environ.get("CHARTHOUSE_DATABASE_ROLE") == "owner"),
}

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "allauth.account",
    "allauth.mfa",
    "axes",
    "django_cotton",
    "pgtrigger",
    "charthouse.foundation",
    "charthouse.people",
    "charthouse.record",
    "charthouse.identity",
    "charthouse.intake",
    "charthouse.frontdesk",
    "charthouse.completion",
    "charthouse.fhir",
    "charthouse.web",
]
# Order matters: the address and scheme first, the headers round everything, access last, so that every view
# passes it.
MIDDLEWARE = [
    "charthouse.web.security.proxies.TrustedProxies",
    "charthouse.web.security.headers.SecurityHeaders",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "charthouse.web.security.middleware.AccessMiddleware",
    "axes.middleware.AxesMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": False,
        "DIRS": [],
        "OPTIONS": {
            "loaders": [
                (
                    "django.template.loaders.cached.Loader",
                    [
                        "django_cotton.cotton_loader.Loader",
                        "django.template.loaders.filesystem.Loader",
                        "django.template.loaders.app_directories.Loader",
                    ],
                )
            ],
            "builtins": ["django_cotton.templatetags.cotton", "charthouse.web.templatetags.addresses"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "charthouse.web.context.shell",
            ],
        },
    }
]
STATIC_URL = "/static/"
# Served from the package itself: there is no step that collects them.
WHITENOISE_USE_FINDERS = True
WHITENOISE_MAX_AGE = 600

# Signing in. The numbers are rules and configuration, read when they are needed (people/policy.py).
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "charthouse.people.backends.StaffBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "charthouse.people.passwords.LongEnough"},
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("username", "display_name", "email")},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = LOGIN_URL
ACCOUNT_ADAPTER = "charthouse.people.adapters.AccountAdapter"
ACCOUNT_FORMS = {"login": "charthouse.web.security.forms.SignInForm"}
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_LOGIN_TIMEOUT = 300
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_NOTIFICATIONS = False
ACCOUNT_RATE_LIMITS = False
MFA_ADAPTER = "charthouse.people.adapters.MfaAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_TOLERANCE = 1
MFA_RECOVERY_CODES_SHOW_ONCE = True
AXES_FAILURE_LIMIT = "charthouse.people.lockout.failure_limit"
AXES_COOLOFF_TIME = "charthouse.people.lockout.cool_off"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_USERNAME_CALLABLE = "charthouse.people.lockout.counted_name"
AXES_LOCKOUT_CALLABLE = "charthouse.web.security.views.sign_in.locked_out"
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ACCESS_FAILURE_LOG = True
AXES_ACCESS_FAILURE_LOG_PER_USER_LIMIT = 100
AXES_SENSITIVE_PARAMETERS = [
    "login",
    "username",
    "ip_address",
    "password",
    "current",
    "new",
    "code",
    "secret",
    "next",
    "csrfmiddlewaretoken",
]
AXES_VERBOSE = False

# Pages hold PHI, so cookies and headers are strict everywhere. The name's __Host- prefix makes a browser refuse the
# cookie from another host, path or plain http.
_cookie_prefix = "__Host-" if _site.https else ""
SESSION_ENGINE = "charthouse.people.sessions"
SESSION_COOKIE_NAME = f"{_cookie_prefix}charthouse-session"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Strict"
SESSION_COOKIE_SECURE = _site.https
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
CSRF_COOKIE_NAME = f"{_cookie_prefix}charthouse-csrf"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SECURE = _site.https
CSRF_COOKIE_SAMESITE = "Strict"
CSRF_FAILURE_VIEW = "charthouse.web.views.errors.forged"
CSRF_TRUSTED_ORIGINS = [f"https://{host}" for host in _site.allowed_hosts if _site.https and host != "*"]
# What is uploaded stays in memory until it is sealed: no paper of a patient lies in a temporary folder.
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]
FILE_UPLOAD_MAX_MEMORY_SIZE = 32_000_000
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 31_536_000 if _site.https else 0
