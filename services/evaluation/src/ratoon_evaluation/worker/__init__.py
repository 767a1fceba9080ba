"""The scoring worker: it loads models by transformers, scores them on test parts and applies the gate."""
