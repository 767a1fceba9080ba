"""Use cases of the gateway: authentication, quotas, the relay of completions, keys and word lists."""
