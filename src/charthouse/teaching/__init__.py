"""The synthetic hospital: invented people, their charts, and the feeds they arrive by."""
