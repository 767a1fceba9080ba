"""What a model version is and how it comes to count. Standard library only."""
