"""The program on the board: poll the wires, keep what was read, carry it to the cloud, carry commands to the lamps.

Works for years without a cloud; loses at most the last second to a killed process.
May import model and drivers; never the cloud or the simulator, and nobody but `lentera` imports it.
"""
