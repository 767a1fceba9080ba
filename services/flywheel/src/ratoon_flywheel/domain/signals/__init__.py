"""Signals: feedback, captured answers, drift. They know no policy and no pipeline."""
