"""Events: news between apps."""
