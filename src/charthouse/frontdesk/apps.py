from django.apps import AppConfig


class FrontdeskConfig(AppConfig):
    name = "charthouse.frontdesk"
    label = "frontdesk"
