"""The evaluation service's rules and values, standard library only."""
