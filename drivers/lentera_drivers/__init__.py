"""Drivers: how Lentera speaks with meters and luminaires.

`profiles` holds what is known about kinds of devices (data, a loader, the arithmetic of registers and payloads) and
needs no bus library. `interface` is what a driver is, `modbus` and `mqtt` implement it, `driver` builds the
one that a bus needs.
"""
