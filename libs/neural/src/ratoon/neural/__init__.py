"""Small neural models of texts: networks by config, their files, answers with probabilities."""
