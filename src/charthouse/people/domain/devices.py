"""What a person recognises a browser by."""

from __future__ import annotations

import re

__all__ = ["device_name"]

_BROWSERS = (("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrome", "Chrome"), ("Version", "Safari"))
_SYSTEMS = (
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


def device_name(user_agent: str) -> str:
    """A User-Agent header in words: ``"Firefox 143 on Linux"``; "Unknown device" where it says nothing known."""
    browser = next(
        (
            f"{name} {found[1]}"
            for token, name in _BROWSERS
            if (found := re.search(rf"\b{token}\w*/(\d+)", user_agent)) is not None
        ),
        "",
    )
    system = next((name for token, name in _SYSTEMS if token in user_agent), "")
    return " on ".join(part for part in (browser, system) if part) or "Unknown device"
