"""Aids for testing with stagecache, and for testing what is built on its contracts."""
