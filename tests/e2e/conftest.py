"""Fixtures of the end-to-end tests."""

import pytest


@pytest.fixture(scope="session")
def base_image() -> str:
    """A plain distribution image."""
    return "visomaster-sandbox/base:bookworm"
