from django.apps import AppConfig


class PeopleConfig(AppConfig):
    name = "charthouse.people"
    label = "people"
