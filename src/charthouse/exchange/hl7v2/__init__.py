"""HL7 v2: bytes to messages, messages to FHIR R4. No database, no Django. Import from ``api``."""
