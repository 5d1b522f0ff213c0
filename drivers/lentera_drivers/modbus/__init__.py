"""Modbus: RTU on a serial line, TCP, and RTU carried over TCP.

`plan` decides which registers go into which request, `patience` when a silent unit may be asked again, `doubt` whose
answers may be late, `window` how many questions go at once; `line` is one bus with its timing and its guards, `driver`
puts them behind the interface of `lentera_drivers.interface`.
"""
