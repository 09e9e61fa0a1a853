"""Jobs: long work people would recognise, run by the worker."""
