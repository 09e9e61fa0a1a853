from django.apps import AppConfig


class IntakeConfig(AppConfig):
    name = "charthouse.intake"
    label = "intake"

    def ready(self) -> None:
        """Declare the app's queues wherever Django runs, the command line's ``work`` included."""
        from . import queues as queues
