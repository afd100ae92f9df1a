import { spawnSync } from "node:child_process";

/** Whether this machine lets a process have mounts of its own: as root, or in a user namespace. */
export const canMount = spawnSync("unshare", ["-Urm", "true"]).status === 0;

/**
 * What starts a program for which `folder` is a file system of its own in memory, with nothing in it; nobody else sees it there.
 * Others reach it as `/proc/PID/root` and the folder.
 * @param options of the mount, for instance `size=1m`
 */
export function onOwnFileSystem(folder: string, options: string): readonly [string, ...string[]] {
	const script = 'mount -t tmpfs -o "$2" psgl "$1" && shift 2 && exec "$@"';
	return ["unshare", "-Urm", "sh", "-c", script, "sh", folder, options];
}

/** The same for a file system of so many bytes (`16m`) whose room a file `filler` takes. */
export function onFullFileSystem(folder: string, size: string): readonly [string, ...string[]] {
	const script =
		'mount -t tmpfs -o "size=$2" psgl "$1" && { cat /dev/zero >"$1/filler" 2>/dev/null; shift 2; exec "$@"; }';
	return ["unshare", "-Urm", "sh", "-c", script, "sh", folder, size];
}
