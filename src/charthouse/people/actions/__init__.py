"""What people and jobs do with accounts, places and the directory. Nothing else writes."""
