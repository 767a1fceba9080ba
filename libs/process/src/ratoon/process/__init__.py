"""Parts of every long-running process: identities of processes, loops in the background. Standard library only."""
