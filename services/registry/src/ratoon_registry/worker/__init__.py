"""The verification worker: it reloads an artifact, checks it, records golden prompts, describes and signs it."""
