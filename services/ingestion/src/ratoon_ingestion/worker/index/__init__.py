"""An index of near duplicates: immutable segments of sketches, merged as they grow, each a blob of its own."""
