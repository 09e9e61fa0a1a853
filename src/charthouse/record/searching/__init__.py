"""The search compiler: FHIR's search parameters in, one SQL statement over the search index out."""
