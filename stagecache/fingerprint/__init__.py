"""Answers "are these the same?" for values, files and code; who asks, and when, is the engine's."""
