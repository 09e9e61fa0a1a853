from django.apps import AppConfig


class FoundationConfig(AppConfig):
    name = "charthouse.foundation"
    label = "foundation"
