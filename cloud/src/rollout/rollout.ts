import { PsglError } from "@psgl/sdk";
import type { HealthMessage } from "@psgl/sdk/protocol";
import { LatestCall } from "./latest-call.js";
import { addCounts, failureIn, type RolloutCounts } from "./rollout-counts.js";
import { RolloutDevices } from "./rollout-devices.js";
import { otherStable } from "./rollout-errors.js";
import { begun, isOver, requireNone, requirePercentage, requireUnderWay } from "./rollout-facts.js";
import { isInGroup } from "./rollout-group.js";
import { rolloutLimits as limits } from "./rollout-limits.js";
import type { Candidate, RolloutOptions } from "./rollout-options.js";
import { RolloutRecord } from "./rollout-record.js";
import type { RolloutFacts } from "./rollout-state.js";
import { type RolloutCause, type RolloutStatus, statusOf } from "./rollout-status.js";

export type { Candidate, RolloutCause, RolloutOptions, RolloutStatus };

/** Who may be asked how a roll-out stands, and takes orders for it. */
export type RolloutDesk = Pick<Rollout, "status" | "start" | "setPercentage" | "halt" | "rollback">;

/**
 * A staged roll-out: which devices get the candidate instead of the stable model, and what became of it there. Its state is kept
 * before an order is answered, so a restart goes on where it was; orders that other processes put into the same store are followed. When too many of
 * the devices that tell of the candidate, in every process, tell of a failure, it is rolled back at once (`rolloutLimits`).
 */
export class Rollout<C extends Candidate = Candidate> implements Disposable {
	readonly #options: RolloutOptions<C>;
	readonly #record: RolloutRecord;
	readonly #devices = new RolloutDevices();
	readonly #looks = new LatestCall();
	#candidate: C | undefined;
	#watching: Disposable | undefined;
	#missingWith: string | undefined;
	/** Orders take effect one after the other. */
	#orders: Promise<unknown> = Promise.resolve();
	/** Told after every change. `error`: it could not be written down, or the candidate not be had. */
	onChange: (status: RolloutStatus, cause: RolloutCause, error?: PsglError) => void = () => undefined;
	/** Told when this process has nothing to serve any more: its candidate was made the stable model elsewhere. */
	onFault: (error: PsglError) => void = () => undefined;

	private constructor(options: RolloutOptions<C>) {
		this.#options = options;
		this.#record = new RolloutRecord(options.store, options.stable);
	}

	/**
	 * Goes on with the roll-out in the store. One whose candidate is the model that is served now is finished.
	 * @throws DataError `PSGL_ROLLOUT_DAMAGED`, `PSGL_ROLLOUT_READ`, `PSGL_ROLLOUT_WRITE`; ConfigError `PSGL_ROLLOUT_STABLE`; and as `open`.
	 */
	static async open<C extends Candidate>(options: RolloutOptions<C>): Promise<Rollout<C>> {
		const rollout = new Rollout(options);
		await rollout.#begin();
		rollout.#watching = options.store.watch(() => rollout.#look());
		return rollout;
	}

	/** What may be served to some devices; undefined while all get the stable model. */
	get candidate(): C | undefined {
		return this.#candidate;
	}

	status(): RolloutStatus {
		return statusOf(this.#record.facts, this.#options.stable, this.#everywhere);
	}

	/** Whether a device gets the candidate. */
	includes(device: string): boolean {
		const facts = this.#record.facts;
		if (facts === undefined || isOver(facts)) return false;
		const known = this.#devices.get(device);
		if (known === "failed") return false;
		if (facts.phase === "halted") return known !== undefined;
		const { candidate, percentage } = facts;
		return isInGroup(device, candidate, percentage) && (known !== undefined || this.#devices.size < limits.maxDevices);
	}

	/**
	 * Begins one: so many per cent of the devices get this joint artifact.
	 * @throws ConfigError `PSGL_ROLLOUT_PERCENTAGE`, `PSGL_ROLLOUT_UNDER_WAY`, `PSGL_ROLLOUT_FAILED`; DataError `PSGL_ROLLOUT_WRITE`; and as `open`.
	 */
	start(artifact: Uint8Array, percentage: number): Promise<RolloutStatus> {
		return this.#order(async () => {
			requirePercentage(percentage);
			requireNone(this.#record.facts);
			const { store, stable, open, ordersOnly } = this.#options;
			const candidate = await open(artifact);
			const id = crypto.randomUUID();
			const next = (before: RolloutFacts | undefined) => begun(before, candidate, { id, stable, percentage });
			try {
				next(this.#record.facts);
				await store.writeCandidate(candidate.artifact, artifact);
				await this.#record.replace(next);
			} catch (error) {
				await candidate.close();
				throw error;
			}
			this.#devices.clear();
			if (ordersOnly) await candidate.close();
			else this.#candidate = candidate;
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
			return this.#amend({ phase: "running", percentage });
		});
	}

	/**
	 * No further device gets the candidate; those that have it keep it.
	 * @throws ConfigError `PSGL_ROLLOUT_NONE`; DataError `PSGL_ROLLOUT_WRITE`: nothing has changed.
	 */
	halt(): Promise<RolloutStatus> {
		return this.#order(() => this.#amend({ phase: "halted" }));
	}

	/**
	 * Every device gets the stable model back.
	 * @throws ConfigError `PSGL_ROLLOUT_NONE`; DataError `PSGL_ROLLOUT_WRITE`: it is rolled back, but a restart would not know.
	 */
	rollback(reason = "ordered"): Promise<RolloutStatus> {
		return this.#order(async () => {
			await this.#rollBack(reason, false);
			return this.status();
		});
	}

	/** A device was told to take the candidate. */
	offered(device: string): void {
		if (this.#devices.get(device) !== undefined || this.#devices.size >= limits.maxDevices) return;
		this.#devices.set(device, "offered");
		void this.#remember();
		this.#changed("device");
	}

	/** A device told what became of a model. */
	heard(device: string, artifact: string, state: HealthMessage["state"]): void {
		const facts = this.#record.facts;
		if (facts === undefined || artifact !== facts.candidate || isOver(facts)) return;
		const known = this.#devices.get(device);
		const told = state === "rejected" || state === "rolled-back" ? "failed" : state;
		// Who was never offered it, or has failed, cannot say more.
		if (known === undefined || known === "failed" || known === told) return;
		this.#devices.set(device, told);
		void this.#remember();
		this.#changed("device");
		if (told !== "failed") return;
		this.#order(() => this.#rollBackIfFailing()).catch((error: PsglError) => this.#changed("device", error));
	}

	[Symbol.dispose](): void {
		this.#watching?.[Symbol.dispose]();
	}

	/** What became of the candidate on devices of this process and of others. */
	get #everywhere(): RolloutCounts {
		return addCounts(this.#devices.counts, this.#options.store.elsewhere(this.#record.facts?.id ?? ""));
	}

	async #amend(fields: Partial<RolloutFacts>): Promise<RolloutStatus> {
		const { facts: before } = this.#record;
		await this.#record.replace((now) => ({ ...requireUnderWay(now), ...fields }));
		await this.#follow(before);
		return this.#changed("order");
	}

	async #begin(): Promise<void> {
		await this.#record.begin();
		const { facts } = this.#record;
		if (facts === undefined || this.#options.ordersOnly) return;
		for (const [device, known] of await this.#options.store.readDevices(facts.id)) this.#devices.set(device, known);
		if (isOver(facts)) return;
		// The process may have ended before it could be rolled back.
		if (!(await this.#rollBackIfFailing())) await this.#load(facts);
	}

	/** Follows what another process changed. */
	#look(): void {
		this.#looks
			.call(() => this.#order(() => this.#adopt()))
			.catch((error: unknown) => {
				if (!(error instanceof PsglError)) throw error;
				if (error.code === "PSGL_ROLLOUT_STABLE") this.onFault(error);
				else this.#changed("device", error);
			});
	}

	async #adopt(): Promise<void> {
		const { facts: before } = this.#record;
		const had = this.#candidate;
		const isNew = await this.#record.look();
		await this.#follow(before);
		if (isNew || had !== this.#candidate) this.#changed(this.#record.facts?.automatic ? "automatic" : "order");
		else if (this.#options.ordersOnly) this.#changed("device");
		await this.#rollBackIfFailing();
	}

	/** Brings devices and candidate in line with the facts. */
	async #follow(before: RolloutFacts | undefined): Promise<void> {
		const { facts } = this.#record;
		if (facts?.id !== before?.id) {
			this.#devices.clear();
			this.#candidate = undefined;
		}
		if (facts === undefined || isOver(facts)) this.#candidate = undefined;
		else {
			await this.#forgetOthers();
			await this.#load(facts);
		}
	}

	/** Opens the candidate, unless it is open. @throws as `open`, unless patient. */
	async #load({ artifact, candidate: digest }: RolloutFacts): Promise<void> {
		const { store, open, patient, ordersOnly } = this.#options;
		if (this.#candidate !== undefined || ordersOnly) return;
		try {
			const candidate = await open(await store.readCandidate(artifact));
			if (candidate.artifact !== artifact) {
				await candidate.close();
				throw otherStable(candidate.digest, digest);
			}
			this.#candidate = candidate;
			this.#missingWith = undefined;
		} catch (error) {
			if (!patient || !(error instanceof PsglError)) throw error;
			// It is tried again and again, and told of once.
			if (this.#missingWith !== error.code && this.#watching !== undefined) {
				this.#missingWith = error.code;
				this.#changed("device", error);
			}
		}
	}

	async #rollBack(reason: string, automatic: boolean): Promise<void> {
		await this.#record.rollBack(reason, automatic, () => {
			this.#candidate = undefined;
			this.#changed(automatic ? "automatic" : "order");
		});
	}

	/** Whether it was. Another device's failure may have done it already. */
	async #rollBackIfFailing(): Promise<boolean> {
		const { facts } = this.#record;
		const failure =
			facts === undefined || isOver(facts) || this.#options.ordersOnly ? undefined : failureIn(this.#everywhere);
		if (failure !== undefined) await this.#rollBack(failure, true);
		return failure !== undefined;
	}

	/** Devices that do not get the candidate any more are not counted, but for those on which it failed. */
	async #forgetOthers(): Promise<void> {
		const others = [...this.#devices].filter(([device, state]) => state !== "failed" && !this.includes(device));
		for (const [device] of others) this.#devices.delete(device);
		if (others.length > 0) await this.#remember();
	}

	/** Writes down what devices told; what is lost they tell again. */
	#remember(): Promise<void> {
		const write = this.#options.store.writeDevices(this.#record.facts?.id ?? "", () => this.#devices);
		return write.catch((error: PsglError) => void this.#changed("device", error));
	}

	#changed(cause: RolloutCause, error?: PsglError): RolloutStatus {
		const status = this.status();
		this.onChange(status, cause, error);
		return status;
	}

	#order<T>(order: () => Promise<T>): Promise<T> {
		const done = this.#orders.then(order);
		this.#orders = done.catch(() => undefined);
		return done;
	}
}
