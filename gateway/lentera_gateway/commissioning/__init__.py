"""Commissioning: what a technician does before the gateway runs, with one serial line or host at hand.

Finding meters and naming their model, reading and writing one of them, giving new ones their unit id, and telling from
the symptoms on a wire what is wrong with it. May touch drivers and model; judgements are pure, talking is at the rim.
"""
