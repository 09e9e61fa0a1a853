"""FHIR R4 resources as C-CDA R2.1 documents."""
