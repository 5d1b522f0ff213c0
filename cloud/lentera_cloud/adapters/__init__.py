"""Adapters: each folder implements one port of :mod:`lentera_cloud.ports` on a real store; only ``app.py`` chooses."""
