"""Commands that the plugin adds to `seqforge`, one file each."""
