"""Readings come in: each gateway's link, batches judged, written in groups, acknowledged once they are durable."""
