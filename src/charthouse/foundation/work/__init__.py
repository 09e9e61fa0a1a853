"""Work items: what waits for a person, why, under which rule, and until when."""
