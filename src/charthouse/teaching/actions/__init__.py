"""What is done with the synthetic hospital."""
