from django.apps import AppConfig


class IdentityConfig(AppConfig):
    name = "charthouse.identity"
    label = "identity"

    def ready(self) -> None:
        """Declare the app's queues wherever Django runs, the command line's ``work`` included, and how notices
        leave."""
        from . import queues as queues
        from . import transports

        transports.register()
