"""The web page over Ratoon's public HTTP API. It knows no service, and owns nothing but who is logged in."""
