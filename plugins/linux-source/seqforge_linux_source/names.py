"""Which names of files are taken, and how they become relative to the kernel's root."""

_LONGEST_NAME = 4096
"""Linux's own limit for a path (`PATH_MAX`)."""

_KERNEL_FOLDERS = {
    "Documentation", "LICENSES", "arch", "block", "certs", "crypto", "drivers", "fs", "include", "init", "io_uring",
    "ipc", "kernel", "lib", "mm", "net", "rust", "samples", "scripts", "security", "sound", "tools", "usr", "virt",
}  # fmt: skip


def plain_name(raw: bytes) -> str | None:
    """Decode a relative name of a file, if it is one that a document may carry.

    Args:
        raw: The name as an archive, a folder or git has it.

    Returns:
        The name without a leading `./`, or None where it is absolute, climbs (`..`), is too long, is not UTF-8, or
        holds a character that does not print.
    """
    if len(raw) > _LONGEST_NAME:
        return None
    try:
        name = raw.decode()
    except UnicodeDecodeError:
        return None
    while name.startswith("./"):
        name = name[2:]
    parts = name.split("/")
    if "" in parts or "." in parts or ".." in parts or not name.isprintable():
        return None
    return name


def top_folder(name: str) -> str:
    """Find the folder that an archive puts everything in, such as `linux-6.12/`.

    Args:
        name: The archive's first file.

    Returns:
        Its first folder with a slash, or "" where there is none or it is one of the kernel's own, such as `kernel/`.
    """
    folder, slash, _ = name.partition("/")
    return folder + slash if slash and folder not in _KERNEL_FOLDERS else ""
