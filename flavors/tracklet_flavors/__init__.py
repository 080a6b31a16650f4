"""Flavors: how models of each framework are saved, loaded and asked."""
