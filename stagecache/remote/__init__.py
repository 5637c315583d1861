"""How servers elsewhere are named and reached; what is asked of them is for stores and leases."""
