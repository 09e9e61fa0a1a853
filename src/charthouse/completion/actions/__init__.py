"""One module an action; nothing else writes."""
