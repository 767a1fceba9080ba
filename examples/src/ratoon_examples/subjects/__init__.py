"""Demo of the task `generate`: subject lines of mails."""
