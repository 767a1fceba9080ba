"""Module names of the last release, for processes that start them."""
