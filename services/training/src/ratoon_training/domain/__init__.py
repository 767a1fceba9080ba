"""Training runs, their resource plans, and the rules of learning. Standard library only."""
