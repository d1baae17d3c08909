# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Small file systems of their own for a registry folder, to be filled, made read-only or broken. Needs root, and the
mount namespace that tests/run.py makes; one of a block device needs a loop device too."""

import os
import subprocess
import unittest


def run(*words):
    return subprocess.run(words, check=True, stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout


def memory(test, folder, megabytes):
    """In memory; until the end of the test."""
    return Disk(test, folder, "-t", "tmpfs", "-o", f"size={megabytes}m,mode=3770", "tmpfs")


def device(test, folder, megabytes):
    """ext4, which becomes read-only by itself when it finds an error (fail())."""
    image = folder + ".image"
    with open(image, "wb") as f:
        f.truncate(megabytes << 20)
    try:
        run("mkfs.ext4", "-q", "-O", "^has_journal", image)
        return Disk(test, folder, "-o", "loop,errors=remount-ro", image)
    except (OSError, subprocess.CalledProcessError) as problem:
        raise unittest.SkipTest(f"no file system on a loop device: {getattr(problem, 'stderr', problem)}") from None


class Disk:
    def __init__(self, test, folder, *words):
        self.folder, self.words = folder, words
        os.makedirs(folder, exist_ok=True)
        self.mount()
        test.addCleanup(run, "umount", "-l", folder)

    def mount(self):
        run("mount", *self.words, self.folder)
        os.chmod(self.folder, 0o3770)

    def remount(self, how):
        """"ro" or "rw": refused by the kernel while a file is open for writing."""
        run("mount", "-o", f"remount,{how}", self.folder)

    def fill(self):
        """To the last byte. The file to remove for room."""
        path = os.path.join(self.folder, "filler")
        with open(path, "wb", buffering=0) as f:
            try:
                while True:
                    f.write(bytes(4096))
            except OSError:
                pass
        return path

    def fail(self):
        """The file system finds an error in itself, as a broken disk has it: it takes no write any more."""
        source = run("findmnt", "-n", "-o", "SOURCE", self.folder).strip()
        with open(f"/sys/fs/ext4/{os.path.basename(source)}/trigger_fs_error", "w", encoding="ascii") as f:
            f.write("1")

    def repair(self):
        """What an admin does. Nobody may use it."""
        run("umount", self.folder)
        subprocess.run(["e2fsck", "-p", "-f", self.words[-1]], check=False, stdin=subprocess.DEVNULL, capture_output=True)
        self.mount()
