from django.apps import AppConfig


class CompletionConfig(AppConfig):
    name = "charthouse.completion"
    label = "completion"

    def ready(self) -> None:
        """Make the queues and the consumers of news known, what lies here of charts, and who hears of mails."""
        from . import assembly_consumers, consumers, letter_consumers, letter_queues, queues, unclassified  # noqa: F401
        from .actions import destroy_pieces, forget_charts, settle_letter

        destroy_pieces.register()
        forget_charts.register()
        settle_letter.register()
