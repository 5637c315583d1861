"""Figures beside peers, medians of one run: ``make bench`` prints them all; nothing is asserted."""
