"""Demo: the closed loop on real mail over the public HTTP API, and a report of the measurements."""
