"""PDFium works for one thread of a process at a time; whoever opens a PDF takes this turn."""

from __future__ import annotations

import threading

turn = threading.Lock()
