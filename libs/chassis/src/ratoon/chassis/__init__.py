"""How a Ratoon process lives: settings, identity, servers, database, long work, artifacts. It knows no domain."""
