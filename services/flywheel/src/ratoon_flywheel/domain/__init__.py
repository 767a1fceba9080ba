"""What a project is; its signals and its pipelines, two parts that do not know each other. Standard library only."""
