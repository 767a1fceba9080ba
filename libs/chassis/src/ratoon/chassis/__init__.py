"""Runtime of a Ratoon process: settings, identity, servers, database, operations, artifacts. It knows no domain."""
