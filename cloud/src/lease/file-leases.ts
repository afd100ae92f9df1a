import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, PsglError, systemClock } from "@psgl/sdk";
import { writeAtomically } from "../files/write-atomically.js";
import { cloudLimits } from "../limits.js";
import { lockFolder } from "../log/journal-lock.js";
import type { HeldLease } from "./held-lease.js";
import { HeldLeases } from "./held-leases.js";
import type { AcquireOptions, Lease, Leases } from "./lease.js";
import { leaseHeld } from "./lease-errors.js";

export interface FileLeasesOptions {
	/** Made when it is not there; each lease is a folder in it. */
	readonly folder: string;
	readonly clock?: Clock | undefined;
}

/** Leases among the processes of one machine. */
export function createFileLeases({ folder, clock = systemClock }: FileLeasesOptions): Leases {
	return new FileLeases(folder, clock);
}

class FileLeases extends HeldLeases {
	readonly #folder: string;
	readonly #clock: Clock;

	constructor(folder: string, clock: Clock) {
		super();
		this.#folder = folder;
		this.#clock = clock;
	}

	async acquire(name: string, { wait = false, signal }: AcquireOptions = {}): Promise<Lease> {
		const folder = join(this.#folder, name);
		await mkdir(folder, { recursive: true });
		for (;;) {
			signal?.throwIfAborted();
			try {
				return await this.#take(name, folder);
			} catch (error) {
				if (!(error instanceof PsglError) || error.code !== "PSGL_JOURNAL_IN_USE") throw error;
				if (!wait) throw leaseHeld(name, error.got ?? "another process");
				await this.#clock.sleep(cloudLimits.leasePollMs, signal);
			}
		}
	}

	async #take(name: string, folder: string): Promise<Lease> {
		const unlock = await lockFolder(folder);
		const file = join(folder, "epoch");
		const epoch = Number(await readFile(file, "utf8").catch(() => "0")) + 1;
		await writeAtomically(file, `${epoch}\n`);
		const own = await lockOf(folder);
		const lease = this.hold(name, epoch, async () => {
			if ((await lockOf(folder)) === own) await unlock();
		});
		void this.#watch(lease, folder, own);
		return lease;
	}

	/** Notices when somebody removed the lock, or put another one there. */
	async #watch(lease: HeldLease, folder: string, own: string): Promise<void> {
		while (!lease.over.aborted) {
			await this.#clock.sleep(cloudLimits.leaseRenewMs, lease.over).catch(() => undefined);
			const lock = lease.over.aborted ? own : await lockOf(folder);
			if (lock === own) continue;
			lease.lose(lock === "" ? "its lock was removed" : `process ${lock.split(" ")[0]} has it`);
		}
	}
}

function lockOf(folder: string): Promise<string> {
	return readFile(join(folder, "lock"), "utf8").then(
		(text) => text.trim(),
		() => "",
	);
}
