from django.apps import AppConfig


class RecordConfig(AppConfig):
    name = "charthouse.record"
    label = "record"
