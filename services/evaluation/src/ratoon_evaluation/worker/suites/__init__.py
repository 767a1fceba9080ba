"""Tests of suites: records, tasks of lm-evaluation-harness, and programming problems."""
