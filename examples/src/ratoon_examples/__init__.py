"""Examples of Ratoon, over its public API."""
