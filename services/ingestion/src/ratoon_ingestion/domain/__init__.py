"""The rules of ingestion: pure, standard library only."""
