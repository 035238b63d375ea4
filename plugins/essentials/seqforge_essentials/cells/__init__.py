"""Recurrent cells in plain torch: a file each, the mathematics as the papers write it."""
