"""The parts of a host: one file, one `@deploy` of the same name. No parsing and no shell in here."""
