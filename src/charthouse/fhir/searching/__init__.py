"""Searches as FHIR answers them: Bundles, what is included, operations that read."""
