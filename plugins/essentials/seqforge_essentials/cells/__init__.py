"""Recurrent cells, one file each, with the equations of the papers."""
