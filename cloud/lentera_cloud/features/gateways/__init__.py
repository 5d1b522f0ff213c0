"""Gateways: registered with their public key, seen on their link, revoked when they are lost."""
