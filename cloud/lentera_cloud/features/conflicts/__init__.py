"""Conflicts: values that differ from what is stored for the same device, quantity and time."""
