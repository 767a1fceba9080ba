"""The public HTTP edge: identity, OpenAI-compatible routes, REST face, traffic capture. Its state is keys and usage."""
