"""The programs of a VisoMaster host: start, services, readiness, credentials. Standard library only."""
