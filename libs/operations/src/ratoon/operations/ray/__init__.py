"""Ray of a job: a head of its own, or a node in an existing cluster. Control code does not import it."""
