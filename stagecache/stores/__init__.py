"""Where entries and encoded values are kept; what they mean is for the floors above to say."""
