"""Drivers: how Lentera speaks with meters and luminaires.

`profiles` holds what is known about kinds of devices (data, a loader, the arithmetic of registers and payloads) and
needs no bus library. `driver` is the one small interface; `modbus` and `mqtt` implement it.
"""
