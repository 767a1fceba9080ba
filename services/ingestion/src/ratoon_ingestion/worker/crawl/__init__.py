"""The crawler: it visits pages as `robots.txt` allows, and writes their texts as JSON Lines."""
