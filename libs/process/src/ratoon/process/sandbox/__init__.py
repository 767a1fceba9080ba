"""Programs of models, run without network, files and other processes."""
