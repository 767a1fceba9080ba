"""Demo of the task `regress`: strength of sentiment, rated by ten people."""
