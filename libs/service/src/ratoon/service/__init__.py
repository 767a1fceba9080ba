"""A service put together, and processes of services."""
