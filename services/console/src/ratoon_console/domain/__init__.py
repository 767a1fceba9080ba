"""What pages show, worked out of what the API answers. Pure: the standard library only."""
