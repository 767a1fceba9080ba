"""The evaluation service: suites, evaluation runs, gates, bad cases and reports."""
