"""One module a group of segments: what each becomes in FHIR."""
