"""What a label is, who gave it, and which one counts. Standard library only."""
