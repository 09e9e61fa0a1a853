"""One module a family of messages: which segments belong together, and what the event means."""
