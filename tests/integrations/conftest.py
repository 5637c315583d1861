"""What is imported by those who ask for it, and by nobody who looks for tests and examples."""

collect_ignore = ["diskcache_stand_in.py", "dogpile_suites.py"]
