"""What the gateway decides: who may come in, which engine answers, what is kept of an answer. Standard library only."""
