"""Packages of new plugins, rendered from templates."""

from seqforge.cli.new_plugin.render import SUITES, render_component, render_plugin

__all__ = ["SUITES", "render_component", "render_plugin"]
