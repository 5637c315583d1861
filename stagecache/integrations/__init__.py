"""Faces of other libraries over the stores and collections of this one; each a leaf of its own."""
