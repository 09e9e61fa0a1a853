"""How the synthetic hospital is made: no Django, no database, no clock but the day it is given."""
