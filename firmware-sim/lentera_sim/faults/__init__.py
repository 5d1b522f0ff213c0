"""Faults on demand: what can be wrong with a simulated device, wire or broker, put and lifted while a street runs."""
