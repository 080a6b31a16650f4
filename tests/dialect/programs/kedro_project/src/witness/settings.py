"""Kedro's own defaults; kedro-mlflow is found by its entry point."""
