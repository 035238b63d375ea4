"""Files and folders on disk: bounded reads, atomic writes, records with checksums, new folders, locks and the cache."""
