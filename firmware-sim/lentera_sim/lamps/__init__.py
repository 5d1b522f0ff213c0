"""Luminaires on MQTT: the lamps themselves and the two programs that speak for them (Zigbee2MQTT, Home Assistant's light)."""
