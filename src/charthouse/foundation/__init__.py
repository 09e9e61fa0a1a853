"""Foundation: what every app stands on. Each part has its own ``api.py``."""
