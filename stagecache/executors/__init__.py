"""Where bodies run: here, on threads, or on an executor of the user's."""
