"""Rules of the tasks that models learn, one implementation for every service. Standard library only."""
