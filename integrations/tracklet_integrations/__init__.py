"""Integrations: how each framework's training is watched and recorded."""
