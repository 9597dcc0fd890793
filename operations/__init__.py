"""The project's pyinfra vocabulary. Each operation is fact -> difference -> no-op or commands."""
