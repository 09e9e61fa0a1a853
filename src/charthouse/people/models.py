"""Staff users."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser

from charthouse.foundation.tables import TableClass, table


@table(TableClass.DIRECTORY)
class User(AbstractUser):
    """A member of staff who signs in."""
