"""The door: who may open which screen, what a response may load, and the pages of signing in."""
