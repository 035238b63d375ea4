"""Packages of new plugins, rendered from templates."""

from seqforge.cli.new_plugin.render import TEMPLATES, render_plugin

__all__ = ["TEMPLATES", "render_plugin"]
