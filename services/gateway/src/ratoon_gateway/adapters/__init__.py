"""The technologies behind the gateway's ports."""
