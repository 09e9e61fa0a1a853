from django.apps import AppConfig


class FhirConfig(AppConfig):
    name = "charthouse.fhir"
    label = "fhir"

    def ready(self) -> None:
        """Make the consumer of news and the queue known, and that charts lie in exports."""
        from . import consumers, queues  # noqa: F401
        from .actions import destroy_copies, name_recipients

        destroy_copies.register()
        name_recipients.register()
