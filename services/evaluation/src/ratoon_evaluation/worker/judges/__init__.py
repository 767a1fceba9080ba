"""Judges of answers: endpoints and models that are asked, and what follows from their judgements."""
