"""The commands that run an installation as a whole: start, stop, status, doctor, and its own two processes."""
