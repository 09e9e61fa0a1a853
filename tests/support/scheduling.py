"""Which worker gets which test, where several share the work (``-n``)."""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

#: Folders whose modules have a site or a database of their own, or are steps of one story.
_WHOLE_MODULES = ("tests/e2e/",)
_ONE_STORY = ("tests/scenario/test_first_day.py", "tests/scenario/test_morning.py")


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
    """What belongs together goes to one worker, longest first; then every other test to whoever is free, in order.

    (xdist's own groups do not reach the scheduler under pytest 9.2, which keeps a test's name elsewhere.)
    """

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        if module in _ONE_STORY:
            return _ONE_STORY[0]
        return module if module.startswith(_WHOLE_MODULES) else nodeid
