from django.apps import AppConfig


class IntakeConfig(AppConfig):
    name = "charthouse.intake"
    label = "intake"

    def ready(self) -> None:
        """Declare the app's queues wherever Django runs, the command line's ``work`` included, and that originals
        of charts lie here."""
        from . import queues as queues
        from .actions import destroy_originals

        destroy_originals.register()
