"""The demonstration's mail server: it takes what is sent to it on this machine and keeps nothing, and hangs up on
some before it answers."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager


class _Office(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    unanswered: Collection[str] = ()


class _Clerk(socketserver.StreamRequestHandler):
    """One conversation in SMTP (RFC 5321), as far as a sender that wants nothing special needs it."""

    server: _Office

    def handle(self) -> None:
        self._say("220 post.larkspur.example")
        to = ""
        for line in self.rfile:
            verb = line[:4].upper()
            if verb == b"RCPT":
                to = line.decode("ascii", "replace").partition("<")[2].partition(">")[0]
            if verb == b"DATA":
                self._say("354 Go on")
                while self.rfile.readline().rstrip(b"\r\n") != b".":
                    pass
                if to in self.server.unanswered:
                    return
            self._say("221 Goodbye" if verb == b"QUIT" else "250 Taken")
            if verb == b"QUIT":
                return

    def _say(self, words: str) -> None:
        self.wfile.write(f"{words}\r\n".encode("ascii"))


@contextmanager
def open_post(unanswered: Collection[str] = ()) -> Iterator[int]:
    """The server on a port of its own; who is ``unanswered`` never learns whether a mail arrived."""
    with _Office(("127.0.0.1", 0), _Clerk) as office:
        office.unanswered = unanswered
        thread = threading.Thread(target=office.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield int(office.server_address[1])
        finally:
            office.shutdown()
            thread.join()
