"""Decisions about people and places. Knows neither Django nor the database."""
