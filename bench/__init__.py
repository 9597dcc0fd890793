"""Measurements against peers, one command each; results as tables in `results/`."""
