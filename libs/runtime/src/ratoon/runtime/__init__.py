"""How a process reads its settings, serves, calls and reports."""
