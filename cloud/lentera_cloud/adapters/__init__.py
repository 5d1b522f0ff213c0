"""Adapters: each folder implements one port of :mod:`lentera_cloud.ports` on one real store; only ``app.py`` chooses."""
