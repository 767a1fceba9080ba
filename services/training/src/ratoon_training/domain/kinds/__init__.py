"""Rules of training that depend on the kind of task: one module a kind, and their table."""
