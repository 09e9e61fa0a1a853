from django.apps import AppConfig
from django.db.backends.signals import connection_created


class FoundationConfig(AppConfig):
    name = "charthouse.foundation"
    label = "foundation"

    def ready(self) -> None:
        from .database.moments import read_moments_fast

        connection_created.connect(read_moments_fast, dispatch_uid="charthouse.moments")
