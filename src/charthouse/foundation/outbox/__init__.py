"""The outbox: messages to other systems, written with the change they tell of and sent until they arrive."""
