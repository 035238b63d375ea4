"""Packages of new plugins, rendered from templates."""

from seqforge.cli.new_plugin.render import render_plugin

__all__ = ["render_plugin"]
