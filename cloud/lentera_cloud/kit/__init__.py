"""What every feature shares: problem answers, who is speaking, times on the wire, domain events, background jobs.

A leaf: it imports ports and domain, never a feature or an adapter.
"""
