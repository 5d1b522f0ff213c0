"""Simulated street: meters and luminaires with physics on real wires, and a ledger of what they answered.

May import only lentera_model and lentera_drivers.profiles of ours, so that a device never knows the program it is
tested against.
"""
