"""Marks that annotators set: one module a kind, and what they share. Their table is that of the kinds of task."""
