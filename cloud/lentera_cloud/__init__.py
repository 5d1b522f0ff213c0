"""The cloud: takes readings from gateways, keeps them, carries commands to lamps and answers people's questions.

May touch: a TimeSeries store and a Registry through :mod:`lentera_cloud.ports`, the network through FastAPI.
Imports only the ``model`` room; it never imports gateway, drivers or the simulator.
"""
