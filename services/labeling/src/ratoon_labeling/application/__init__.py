"""What can be done with guidelines, annotations, tasks and label sets: one function a use case."""
