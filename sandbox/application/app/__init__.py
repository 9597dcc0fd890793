"""The stand-in program."""
