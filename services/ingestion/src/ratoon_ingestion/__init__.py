"""Sources, curation, dataset versions, splits and record lineage. It does not know what a model is."""
