# Generated from protos/ by scripts/client.py; `make proto` writes it again.
"""Generated models and resources."""
