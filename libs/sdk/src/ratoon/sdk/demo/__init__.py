"""The demo: the whole loop on real mail, driven over the public HTTP API alone, and a report of what was measured."""
