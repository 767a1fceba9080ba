"""Use cases of training runs: one function each."""
