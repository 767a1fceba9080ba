"""The labeling service: guidelines, annotations, agreement and review. It does not know where records came from."""
