"""Classical models of texts and of tables. They know no service, and nothing of training runs."""
