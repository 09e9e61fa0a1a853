from django.apps import AppConfig


class WebConfig(AppConfig):
    name = "charthouse.web"
    label = "web"
