"""Curation and splits, in a process of their own. The rest of the service never imports it."""
