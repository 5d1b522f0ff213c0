"""What every test shares: the real servers as fixtures, and random data that is the same in every run."""

import hypothesis

pytest_plugins = ["tests.services.fixtures"]

# The same examples each time, so that a red run is red again; no deadline, because CI's machines are slow and shared.
hypothesis.settings.register_profile("lentera", derandomize=True, deadline=None)
hypothesis.settings.load_profile("lentera")
