"""What every long-running process needs: identities of processes, loops in the background. Standard library only."""
