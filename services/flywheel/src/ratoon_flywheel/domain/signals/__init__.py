"""What users and traffic tell: feedback, captured answers, drift. It knows no policy and no pipeline."""
