"""Metrics: what an operator watches of a tenant, as text for Prometheus."""
