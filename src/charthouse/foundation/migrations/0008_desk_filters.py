"""The desk: indexes for the work of one owner and of one facility in the order in which it is offered; what is due
between two days, held items included."""

from django.db import migrations, models
from django.db.models.functions import Cast, Coalesce

_DUE = Coalesce("due", Cast(models.Value("infinity"), models.DateTimeField()))


class Migration(migrations.Migration):
    dependencies = [("foundation", "0007_desk")]

    operations = [
        migrations.AddIndex(
            "workitem",
            models.Index(
                models.F("queue"),
                models.F("owner"),
                models.F("priority"),
                _DUE,
                models.F("id"),
                condition=models.Q(("state__in", ["open", "taken", "held"]), ("owner__isnull", False)),
                name="work_item_mine",
            ),
        ),
        migrations.RemoveIndex("workitem", "work_item_owner"),
        migrations.RemoveIndex("workitem", "work_item_due"),
        migrations.AddIndex(
            "workitem",
            models.Index(
                fields=["queue", "due", "id"],
                include=["facility", "state"],
                condition=models.Q(("due__isnull", False), ("state__in", ["open", "taken", "held"])),
                name="work_item_due",
            ),
        ),
        migrations.AddIndex(
            "workitem",
            models.Index(
                models.F("queue"),
                models.F("facility"),
                models.F("priority"),
                _DUE,
                models.F("id"),
                condition=models.Q(state__in=["open", "taken", "held"]),
                name="work_item_place",
            ),
        ),
    ]
