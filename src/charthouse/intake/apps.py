from django.apps import AppConfig


class IntakeConfig(AppConfig):
    name = "charthouse.intake"
    label = "intake"
