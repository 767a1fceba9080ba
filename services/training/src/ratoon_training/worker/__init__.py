"""Processes that own Ray and train. The rest of the service never imports this package."""
