"""What the tests of properties need on any machine."""

from hypothesis import settings

settings.register_profile("any machine", deadline=None)  # other tests run beside: a pause is no fault
settings.load_profile("any machine")
