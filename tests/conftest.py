"""Databases for tests: a template migrated once, cloned for each worker and for each test that commits.

``CHARTHOUSE_TEST_DATABASE_URL`` (schema owner, may create databases and roles) names an outside server;
without it the tests start an embedded one of their own.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

_home = Path(tempfile.mkdtemp(prefix="charthouse-test-"))
os.environ["CHARTHOUSE_DATA"] = str(_home / "data")
os.environ["CHARTHOUSE_KEYS"] = str(_home / "keys")
if url := os.environ.get("CHARTHOUSE_TEST_DATABASE_URL"):
    os.environ["DATABASE_URL"] = os.environ["DATABASE_OWNER_URL"] = url
