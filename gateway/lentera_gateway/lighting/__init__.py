"""Lighting: which level is in effect at each luminaire, from everything that wants a say."""

from lentera_gateway.lighting.arbitration import level_in_effect

__all__ = ["level_in_effect"]
