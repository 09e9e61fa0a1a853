"""The file store: encrypted, addressed by content."""
