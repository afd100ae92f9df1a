import type { DataError } from "@psgl/sdk";
import type { HealthMessage } from "@psgl/sdk/protocol";
import { RolloutDevices } from "./rollout-devices.js";
import { badPercentage, failedBefore, noRollout, otherStable, underWay } from "./rollout-errors.js";
import type { RolloutFolder } from "./rollout-folder.js";
import { isInGroup } from "./rollout-group.js";
import { rolloutLimits as limits } from "./rollout-limits.js";
import type { RolloutState } from "./rollout-state.js";
import type { RolloutCause, RolloutStatus } from "./rollout-status.js";

export type { RolloutCause, RolloutStatus };

/** Who may be asked how a roll-out stands, and takes orders for it. */
export type RolloutDesk = Pick<Rollout, "status" | "start" | "setPercentage" | "halt" | "rollback">;

/** A model that can be served beside the stable one. */
export interface Candidate {
	/** SHA-256 (hex) of its client half. */
	readonly digest: string;
	/** One digest for everything in the joint artifact. */
	readonly artifact: string;
	/** It is not served, or not any more. */
	close(): Promise<void>;
}

export interface RolloutOptions<C extends Candidate> {
	readonly folder: RolloutFolder;
	/** SHA-256 (hex) of the client half of the model that everybody else gets. */
	readonly stable: string;
	/** Makes a joint artifact ready to be served. */
	readonly open: (artifact: Uint8Array) => Promise<C>;
}

type Facts = Omit<RolloutState, "devices">;

/**
 * A staged roll-out: which devices get the candidate instead of the stable model, and what became of it there. Its state is on the disk
 * before an order is answered, so a restart goes on where it was. When too many of the devices that tell of the candidate tell
 * of a failure, it is rolled back at once (`rolloutLimits`).
 */
export class Rollout<C extends Candidate = Candidate> {
	readonly #options: RolloutOptions<C>;
	readonly #devices = new RolloutDevices();
	#facts: Facts | undefined;
	#candidate: C | undefined;
	/** Orders take effect one after the other. */
	#orders: Promise<unknown> = Promise.resolve();
	/** Told after every change. `error`: it could not be written down. */
	onChange: (status: RolloutStatus, cause: RolloutCause, error?: DataError) => void = () => undefined;

	private constructor(options: RolloutOptions<C>) {
		this.#options = options;
	}

	/**
	 * Goes on with the roll-out in the folder. One whose candidate is the model that is served now is finished.
	 * @throws DataError `PSGL_ROLLOUT_DAMAGED`, `PSGL_ROLLOUT_READ`, `PSGL_ROLLOUT_WRITE`; ConfigError `PSGL_ROLLOUT_STABLE`; and as `open`.
	 */
	static async open<C extends Candidate>(options: RolloutOptions<C>): Promise<Rollout<C>> {
		const rollout = new Rollout(options);
		const { folder, stable, open } = options;
		const state = await folder.readState();
		if (state === undefined) return rollout;
		const over = state.phase === "rolled-back";
		if (state.stable !== stable) {
			if (!over && state.candidate !== stable) throw otherStable(stable, state.stable);
			await folder.clear();
			return rollout;
		}
		const { devices, ...facts } = state;
		rollout.#facts = facts;
		for (const [device, known] of devices) rollout.#devices.set(device, known);
		if (over) return rollout;
		const failure = rollout.#failure;
		if (failure !== undefined) {
			// The process ended before it could be rolled back.
			await rollout.#rollBack(failure, true);
			return rollout;
		}
		const candidate = await open(await folder.readCandidate());
		if (candidate.artifact !== facts.artifact) throw otherStable(candidate.digest, facts.candidate);
		rollout.#candidate = candidate;
		return rollout;
	}

	/** What may be served to some devices; undefined while all get the stable model. */
	get candidate(): C | undefined {
		return this.#candidate;
	}

	status(): RolloutStatus {
		return {
			phase: this.#facts?.phase ?? "none",
			stable: this.#options.stable,
			candidate: this.#facts?.candidate,
			percentage: this.#facts?.percentage ?? 0,
			reason: this.#facts?.reason,
			automatic: this.#facts?.automatic ?? false,
			devices: this.#devices.counts,
			failed: this.#devices.failed,
		};
	}

	/** Whether a device gets the candidate. */
	includes(device: string): boolean {
		const { phase, candidate, percentage } = this.#facts ?? { phase: "rolled-back" };
		if (phase === "rolled-back" || candidate === undefined) return false;
		const known = this.#devices.get(device);
		if (known === "failed") return false;
		if (phase === "halted") return known !== undefined;
		return isInGroup(device, candidate, percentage) && (known !== undefined || this.#devices.size < limits.maxDevices);
	}

	/**
	 * Begins one: so many per cent of the devices get this joint artifact.
	 * @throws ConfigError `PSGL_ROLLOUT_PERCENTAGE`, `PSGL_ROLLOUT_UNDER_WAY`, `PSGL_ROLLOUT_FAILED`; DataError `PSGL_ROLLOUT_WRITE`; and as `open`.
	 */
	start(artifact: Uint8Array, percentage: number): Promise<RolloutStatus> {
		return this.#order(async () => {
			requirePercentage(percentage);
			const before = this.#facts;
			if (before !== undefined && before.phase !== "rolled-back") throw underWay(before.candidate);
			const { folder, stable, open } = this.#options;
			const candidate = await open(artifact);
			const { digest, artifact: joint } = candidate;
			try {
				if (before?.automatic && before.candidate === digest) throw failedBefore(before.reason ?? "");
				await folder.writeCandidate(artifact);
				this.#facts = { format: 1, phase: "running", stable, candidate: digest, artifact: joint, percentage };
				this.#devices.clear();
				await this.#write();
			} catch (error) {
				this.#facts = before;
				await candidate.close();
				throw error;
			}
			this.#candidate = candidate;
			return this.#changed("order");
		});
	}

	/**
	 * Gives the candidate to so many per cent of the devices from now on; who is beyond gets the stable model back. Goes on with a
	 * roll-out that was halted.
	 * @throws ConfigError `PSGL_ROLLOUT_PERCENTAGE`, `PSGL_ROLLOUT_NONE`; DataError `PSGL_ROLLOUT_WRITE`: nothing has changed.
	 */
	setPercentage(percentage: number): Promise<RolloutStatus> {
		return this.#order(async () => {
			requirePercentage(percentage);
			await this.#change({ phase: "running", percentage });
			for (const [device, state] of this.#devices) {
				if (state !== "failed" && !this.includes(device)) this.#devices.delete(device);
			}
			return this.#changed("order");
		});
	}

	/**
	 * No further device gets the candidate; those that have it keep it.
	 * @throws ConfigError `PSGL_ROLLOUT_NONE`; DataError `PSGL_ROLLOUT_WRITE`: nothing has changed.
	 */
	halt(): Promise<RolloutStatus> {
		return this.#order(async () => {
			await this.#change({ phase: "halted" });
			return this.#changed("order");
		});
	}

	/**
	 * Every device gets the stable model back.
	 * @throws ConfigError `PSGL_ROLLOUT_NONE`; DataError `PSGL_ROLLOUT_WRITE`: it is rolled back, but a restart would not know.
	 */
	rollback(reason = "ordered"): Promise<RolloutStatus> {
		return this.#order(() => this.#rollBack(reason.slice(0, limits.maxReasonLength), false));
	}

	/** A device was told to take the candidate. */
	offered(device: string): void {
		if (this.#devices.get(device) !== undefined || this.#devices.size >= limits.maxDevices) return;
		this.#devices.set(device, "offered");
		this.#remember();
		this.#changed("device");
	}

	/** A device told what became of a model. */
	heard(device: string, artifact: string, state: HealthMessage["state"]): void {
		if (artifact !== this.#facts?.candidate || this.#facts.phase === "rolled-back") return;
		const known = this.#devices.get(device);
		const told = state === "rejected" || state === "rolled-back" ? "failed" : state;
		// Who was never offered it, or has failed, cannot say more.
		if (known === undefined || known === "failed" || known === told) return;
		this.#devices.set(device, told);
		this.#remember();
		this.#changed("device");
		const failure = told === "failed" ? this.#failure : undefined;
		if (failure === undefined) return;
		this.#order(() => this.#rollBack(failure, true)).catch((error: DataError) => this.#unwritten(error));
	}

	/** Why it has to be rolled back; undefined while it does not. */
	get #failure(): string | undefined {
		const { trial, confirmed, failed } = this.#devices.counts;
		const told = trial + confirmed + failed;
		const isOver = failed >= limits.minFailures && failed / told > limits.maxFailedShare;
		return isOver ? `failed on ${failed} of ${told} devices` : undefined;
	}

	async #rollBack(reason: string, automatic: boolean): Promise<RolloutStatus> {
		// Another device's failure has done it already.
		if (automatic && this.#facts?.phase === "rolled-back") return this.status();
		const facts = this.#underWay();
		this.#facts = { ...facts, phase: "rolled-back", reason, automatic };
		this.#candidate = undefined;
		// First the devices: what cannot be written is told afterwards.
		const status = this.#changed(automatic ? "automatic" : "order");
		await this.#write();
		return status;
	}

	/** Writes down what an order changes; when that fails, takes it back. */
	async #change(fields: Partial<Facts>): Promise<void> {
		const before = this.#underWay();
		this.#facts = { ...before, ...fields };
		try {
			await this.#write();
		} catch (error) {
			this.#facts = before;
			throw error;
		}
	}

	#underWay(): Facts {
		const facts = this.#facts;
		if (facts === undefined || facts.phase === "rolled-back") throw noRollout(facts?.phase ?? "none");
		return facts;
	}

	/** Writes down how it stands. */
	#write(): Promise<void> {
		return this.#options.folder.writeState(() => ({
			...(this.#facts as Facts),
			devices: [...this.#devices],
		}));
	}

	/** Writes down what devices told; what is lost they tell again. */
	#remember(): void {
		this.#write().catch((error: DataError) => this.#unwritten(error));
	}

	#unwritten(error: DataError): void {
		this.onChange(this.status(), "device", error);
	}

	#changed(cause: RolloutCause): RolloutStatus {
		const status = this.status();
		this.onChange(status, cause);
		return status;
	}

	#order<T>(order: () => Promise<T>): Promise<T> {
		const done = this.#orders.then(order);
		this.#orders = done.catch(() => undefined);
		return done;
	}
}

function requirePercentage(percentage: number): void {
	if (!Number.isInteger(percentage) || percentage < 0 || percentage > 100) throw badPercentage(percentage);
}
