"""Reports about runs: the data of a run, the examinations of its model, and the HTML page."""
