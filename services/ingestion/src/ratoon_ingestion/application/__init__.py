"""What can be done with sources, datasets and splits: one function a use case."""
