import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError } from "@psgl/sdk";

/**
 * Makes this process the only one that uses a folder. The lock names the process and when it started, so that one left
 * behind by a process that was killed is taken over even where its number is in use again.
 * @returns gives the folder back.
 * @throws ConfigError `PSGL_JOURNAL_IN_USE`.
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
	const file = join(folder, "lock");
	const own = `${process.pid} ${await startTime(process.pid)}\n`;
	for (;;) {
		try {
			await writeFile(file, own, { flag: "wx" });
			return () => rm(file, { force: true });
		} catch (error) {
			if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
		}
		const [pid = "", started = ""] = (await readFile(file, "utf8").catch(() => "")).trim().split(" ");
		if (await isRunning(Number(pid), started)) {
			throw new ConfigError("PSGL_JOURNAL_IN_USE", {
				what: `the journal in ${folder} is in use`,
				got: `process ${pid}`,
				remedy: "Stop that process, or choose another state folder",
			});
		}
		// Of several that find a dead process's lock, one can move it away.
		const stale = `${file}.${process.pid}`;
		await rename(file, stale).catch(() => undefined);
		await rm(stale, { force: true });
	}
}

async function isRunning(pid: number, started: string): Promise<boolean> {
	if (!Number.isInteger(pid) || pid <= 0) return false;
	try {
		process.kill(pid, 0);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
	}
	return (await startTime(pid)) === started;
}

/** Clock ticks from boot to the start of a process (proc(5), field 22 of stat); "-" where the system does not tell. */
async function startTime(pid: number): Promise<string> {
	const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
	// The second field is a name in parentheses that may hold spaces.
	return (
		stat
			.slice(stat.lastIndexOf(")") + 2)
			.split(" ")
			.at(19) ?? "-"
	);
}
