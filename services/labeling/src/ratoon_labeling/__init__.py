"""The labeling room: guidelines, annotations, agreement and review. It does not know where records came from."""
