from django.apps import AppConfig


class RecordConfig(AppConfig):
    name = "charthouse.record"
    label = "record"

    def ready(self) -> None:
        from . import consumers  # noqa: F401
