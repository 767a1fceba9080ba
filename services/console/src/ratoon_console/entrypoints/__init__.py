"""HTTP: pages, buttons, live streams."""
