"""Who calls, and how it is proved."""
