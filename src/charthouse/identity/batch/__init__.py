"""Whole files and whole indexes at once: the comparators, guards and decision of one arrival over millions of
pairs.

Pure Python over numpy; neither Django nor the database. Imported only by commands and jobs, never at the start of
the web application or of intake.
"""
