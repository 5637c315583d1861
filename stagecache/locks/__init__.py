"""Locks of the user's, over threads, event loops, processes and machines.

Other than with leases, exclusion is the promise: where it cannot be kept, nobody is let in, and an
error says so.
"""
