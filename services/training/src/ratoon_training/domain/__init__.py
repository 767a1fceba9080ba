"""What a training run is, what it needs, and the rules it learns by. Standard library only."""
