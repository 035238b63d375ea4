"""Recurrent cells, one file each, with the equations of their papers."""
