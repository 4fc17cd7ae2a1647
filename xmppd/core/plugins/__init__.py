"""Plugins' lives and their handlers: sources, registry, dispatch."""
