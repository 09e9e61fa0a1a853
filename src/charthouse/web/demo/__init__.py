"""The demonstration's records: invented people, written as data, sent as a hospital and a clinic send theirs."""
