"""Who may compute a key now: among threads, event loops and processes."""
