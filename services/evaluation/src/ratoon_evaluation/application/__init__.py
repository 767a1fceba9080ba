"""What can be done with evaluation runs: one function a use case."""
