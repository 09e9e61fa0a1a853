from django.apps import AppConfig


class IdentityConfig(AppConfig):
    name = "charthouse.identity"
    label = "identity"
