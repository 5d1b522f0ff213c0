"""Luminaires on an MQTT broker.

`proof` decides, as pure functions, what counts as proof that a lamp acted; `session` keeps the connection and loses
nothing in a flap of the broker; `driver` puts them behind the interface of `lentera_drivers.interface`. What the
payloads mean is in `lentera_drivers.profiles.payloads`.
"""
