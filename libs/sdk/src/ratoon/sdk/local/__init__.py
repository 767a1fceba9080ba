"""One installation on one machine: its processes, what they listen on, what they use. The public API does the rest."""
