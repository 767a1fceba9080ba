"""Exports of models: each format is written, then compared with the model by the program that reads its files."""
