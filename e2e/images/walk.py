"""Prints one line for each file below / (or the folders given): all that an image says of it, contents as a digest."""

import hashlib
import os
import stat
import sys

# made by the container's runtime, or of the kernel: not of the image
SKIP = {b"/proc", b"/sys", b"/dev", b"/etc/hosts", b"/etc/hostname", b"/etc/resolv.conf", b"/etc/mtab"}
SKIP |= {b"/run/secrets", b"/var/run/secrets"}


def digest(path):
    hash = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            hash.update(block)
    return hash.hexdigest()


def line(path):
    s = os.lstat(path)
    kind = stat.S_IFMT(s.st_mode)
    what = ""
    if kind == stat.S_IFREG:
        what = digest(path)
    elif kind == stat.S_IFLNK:
        what = os.readlink(path).hex()
    elif kind in (stat.S_IFCHR, stat.S_IFBLK):
        what = str(s.st_rdev)
    names = sorted(os.listxattr(path, follow_symlinks=False))
    xattrs = ",".join(n + "=" + os.getxattr(path, n, follow_symlinks=False).hex() for n in names)
    size = s.st_size if kind in (stat.S_IFREG, stat.S_IFLNK) else 0
    links = s.st_nlink if kind == stat.S_IFREG else 0
    # the time of a directory that a mount point was made in, or that is the root itself, is the runtime's
    time = 0 if kind == stat.S_IFDIR and path in (b"/", b"/etc", b"/run", b"/var", b"/var/run") else int(s.st_mtime)
    return f"{os.fsencode(path).hex()} {oct(s.st_mode)} {s.st_uid}:{s.st_gid} {size} {links} {time} {what} [{xattrs}]"


def walk(path):
    print(line(path))
    if stat.S_ISDIR(os.lstat(path).st_mode):
        for name in sorted(os.listdir(path)):
            child = os.path.join(path, name)
            if child not in SKIP:
                walk(child)


for root in sys.argv[1:] or ["/"]:
    walk(os.fsencode(root))
