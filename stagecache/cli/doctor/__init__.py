"""``stagecache doctor``: whether this machine and this directory can do what a cache needs."""
