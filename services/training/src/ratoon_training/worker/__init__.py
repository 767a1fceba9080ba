"""Where training happens: processes that own Ray and compute. The rest of the service never imports this."""
