import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** Path of a program of the operating system, undefined when it is neither on `PATH` nor among the servers, which not every user's `PATH` has. */
export function findProgram(name: string): string | undefined {
	const { PATH = "" } = process.env;
	const folders = [...PATH.split(delimiter), "/usr/sbin"];
	return folders.map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
	try {
		accessSync(path, constants.X_OK);
		return true;
	} catch {
		return false;
	}
}
