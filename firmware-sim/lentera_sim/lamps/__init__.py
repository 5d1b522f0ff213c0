"""Luminaires on MQTT: the lamps and the two kinds of program that speak for them."""
