"""Places that many machines reach, as shelves of named bytes; what lies there is not known here."""
