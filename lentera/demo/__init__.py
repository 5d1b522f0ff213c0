"""`lentera demo`: a simulated street, a gateway and the cloud as real processes on this machine, watched and checked.

It is the outermost rim: it starts what the other rooms have built, uses the cloud only through the public API and
checks what is in the store against what the simulated devices say they answered.
"""
