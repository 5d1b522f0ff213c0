"""Modbus: RTU on a serial line, TCP, and RTU carried over TCP.

`plan` decides which registers go into which request, `breaker` when a silent unit may be asked again, `line` is one bus
with its timing and its guards, `driver` puts them behind the interface of `lentera_drivers.interface`.
"""
