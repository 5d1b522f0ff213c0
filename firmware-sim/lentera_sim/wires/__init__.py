"""Wires: Modbus RTU over a pseudo-terminal and Modbus TCP, served with pymodbus's framers and PDUs.

pymodbus's own server answers for absent units with an exception instead of staying silent, hence the responder of our
own.
"""
