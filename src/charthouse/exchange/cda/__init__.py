"""HL7 CDA R2 and C-CDA: clinical documents in XML."""
